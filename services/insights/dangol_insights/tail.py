"""What happens, as it happens: each event and each decision as one line, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from dangol.db import Db
from dangol.decisions import Decision
from dangol.events import Event, Origin
from dangol_insights import archive, sentences
from dangol_insights.model import Kept, Wanted

PAGE = 200
LOOK_BACK = 200  # numbers: on PostgreSQL a smaller one may be committed after a larger
ASKED_EVERY = 0.5  # seconds, where other processes write the archive too
BREATH_EVERY = 15.0  # seconds of silence after which a comment keeps the connection
LONGEST = 120  # characters of an event's properties


class Bell:
    """Rung when the archive has taken something; it may be waited for by many, and closed once."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self.times = 0
        self.closed = False

    def ring(self) -> None:
        """Wake all who wait."""
        self.times += 1
        self._rung.set()
        self._rung = asyncio.Event()

    def close(self) -> None:
        """Wake them for the last time."""
        self.closed = True
        self.ring()

    async def heard(self, before: int, within: float) -> None:
        """Return when it has rung more than `before` times, at the latest after `within` seconds."""
        if self.times == before:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), within)


@dataclass(slots=True)
class Shown:
    """Numbers that were shown, of one table."""

    start: int
    newest: int
    numbers: set[int] = field(default_factory=set)

    def after(self, look_back: int) -> int:
        """The number to ask from."""
        return max(self.start, self.newest - look_back)

    def fresh(self, number: int) -> bool:
        """Whether it was not shown yet; it is from now on."""
        if number in self.numbers:
            return False
        self.numbers.add(number)
        self.newest = max(self.newest, number)
        if len(self.numbers) > 4 * LOOK_BACK:
            self.numbers = {one for one in self.numbers if one > self.newest - LOOK_BACK}
        return True


@dataclass(frozen=True, slots=True)
class Tail:
    """One reader of what happens in a workspace, from now on."""

    db: Db
    bell: Bell
    workspace: str
    lang: str

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events: `data: {at, who, text, verdict}`, until the reader leaves or we stop."""
        times, wait = self.bell.times, BREATH_EVERY if self.db.dialect == "sqlite" else ASKED_EVERY
        async with self.db.transaction() as conn:
            latest = await archive.newest_number(conn)
        events, decisions = Shown(latest.events, latest.events), Shown(latest.decisions, latest.decisions)
        clock = asyncio.get_running_loop().time
        spoke_at = clock()
        yield b": from now on\n\n"
        while not self.bell.closed:
            await self.bell.heard(times, wait)
            times = self.bell.times
            for line in await self._new(events, decisions):
                spoke_at = clock()
                yield b"data: " + msgspec.json.encode(line) + b"\n\n"
            if clock() - spoke_at >= BREATH_EVERY:
                spoke_at = clock()
                yield b": still here\n\n"

    async def _new(self, events: Shown, decisions: Shown) -> list[dict[str, Any]]:
        back = 0 if self.db.dialect == "sqlite" else LOOK_BACK
        async with self.db.transaction() as conn:
            happened = await archive.find_events(conn, self.workspace, Wanted(after=events.after(back), limit=PAGE))
            decided = await archive.find_decisions(
                conn, self.workspace, Wanted(after=decisions.after(back), limit=PAGE)
            )
        lines = [_event_line(one) for one in happened if events.fresh(one.number) and _told(one.payload)]
        for one in decided:
            if decisions.fresh(one.number):
                lines += _decision_lines(one, self.lang)
        return sorted(lines, key=lambda line: str(line["at"]))


def _told(event: Event) -> bool:
    """What our own events tell, the decisions beside them tell better."""
    return event.origin is not Origin.SERVICE


def _event_line(kept: Kept[Event]) -> dict[str, Any]:
    event = kept.payload
    said = msgspec.json.encode(event.properties).decode() if event.properties else ""
    text = f"{event.name} {said[:LONGEST]}{'…' if len(said) > LONGEST else ''}".strip()
    who = event.user_id or event.anonymous_id or ""
    return {"at": _at(event.received_at), "who": who, "text": text, "verdict": "event", "id": event.id}


def _decision_lines(kept: Kept[Decision], lang: str) -> list[dict[str, Any]]:
    decision, words = kept.payload, sentences.language(lang)
    who = decision.user_id or decision.anonymous_id or ""
    utc = decision.at.tzinfo
    assert utc is not None
    return [
        {
            "at": _at(line.at),
            "who": who,
            "text": f"→ {line.text}",
            "verdict": line.verdict,
            "reason": line.reason,
            "journey": line.journey,
        }
        for line in sentences.told(decision, words, utc)
    ]


def _at(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
