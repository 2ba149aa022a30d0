"""Commands that ask a running product: `tail`, `why`, `forward`, `keys create`."""

import json
import os
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from dangol.commands import show
from dangol.commands.client import answer, product
from dangol.errors import Invalid
from dangol.spans import span as parse_span

COLOURS = {"sent": "green", "entered": "green", "dropped": "red", "rejected": "red", "failed": "red", "held": "yellow"}


def tail(count: int) -> None:
    """Print each event and what it decided as it happens, until `count` lines or an interrupt."""
    with product() as client, client.stream("GET", "/api/tail", timeout=None) as stream:
        if stream.status_code != 200:
            stream.read()
            answer(stream)
        for shown, line in enumerate(_lines(stream.iter_lines()), start=1):
            show.out.print(line)
            if shown == count:
                return


def _lines(stream: Iterator[str]) -> Iterator[Text]:
    for line in stream:
        if line.startswith("data:"):
            yield _tail_line(json.loads(line.removeprefix("data:")))


def _tail_line(item: dict[str, Any]) -> Text:
    text = Text(f"{item.get('at', '')[11:19]}  ", style="dim")
    text.append(f"{item.get('who', '')}  ", style="bold")
    text.append(str(item.get("text", "")), style=COLOURS.get(str(item.get("verdict", "")), "default"))
    return text


def language() -> str:
    """The language of this terminal: ko where it says so, else en."""
    said = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ko" if said.startswith("ko") else "en"


def why(user: str, journey: str | None, lang: str) -> None:
    """Print the decisions about a person, as sentences in the order of time."""
    asked = {"user_id": user, "lang": lang or language()} | ({"journey": journey} if journey else {})
    with product() as client:
        said = answer(client.get("/api/why", params=asked))
    for line in said["timeline"]:
        text = Text(f"{line['local_at'][:19].replace('T', ' ')}  ", style="dim")
        text.append(line["text"], style=COLOURS.get(line.get("verdict", ""), "default"))
        show.out.print(text)
    if said.get("summary"):
        show.out.print(said["summary"])


def forward(span: str | None, to_next: bool) -> None:
    """Move the clock of a running `dangol up`."""
    if bool(span) == to_next:
        raise Invalid("bad_move", "say how far", hint="dangol forward 24h, or dangol forward --next")
    seconds = parse_span(span).total_seconds() if span else None
    with product() as client:
        said = answer(client.post("/api/clock/forward", json={"next": True} if to_next else {"seconds": seconds}))
    done = f"{said['moments']} due moment{'s' if said['moments'] != 1 else ''} done"
    show.out.print(f"it is now {said['now']}, {done}; next due: {said['next_due'] or 'nothing'}")
    if not said["reached"]:
        show.err.print("stopped on the way, there is more to do: run it again")


def create_key(kind: str, name: str) -> None:
    """Make a key and print it, once."""
    with product() as client:
        said = answer(client.post("/api/keys", json={"kind": kind, "name": name}))
    show.out.print(said["key"])
