"""`dangol simulate`: a draft journey over recorded events, before anybody gets anything."""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from dangol.clock import utc_now
from dangol.commands import show
from dangol.commands.importing import TYPES
from dangol.documents import DefinitionSet, read_dir
from dangol.errors import Invalid
from dangol.events import Event
from dangol.publishing import all_problems, workspace_of

RECORDED, SIMULATION = "dangol_ingest.recorded", "dangol_journey.simulation"
PIECE = 1 << 16


def run(journey: str, directory: Path, events: Path) -> int:
    """Print who would have entered and what would have been said; 2 when the definitions are wrong."""
    documents, found = read_dir(directory)
    definitions = DefinitionSet(number=1, workspace=workspace_of(documents), documents=tuple(documents))
    problems = all_problems(definitions, found)
    if show.problems((msgspec.to_builtins(problem) for problem in problems), directory):
        return 2
    believed, rejected = _read(events, definitions.workspace)
    _print(journey, import_module(SIMULATION).simulate(definitions, journey, believed), len(believed), rejected)
    return 0


def _read(file: Path, workspace: str) -> tuple[list[Event], int]:
    if file.suffix.lower() not in TYPES or not file.is_file():
        raise Invalid("bad_file", f"{file} is no file of events", hint="events.jsonl or events.csv, as for `import`")
    found = list(
        import_module(RECORDED).recorded(_pieces(file), workspace, utc_now(), csv=file.suffix.lower() == ".csv")
    )
    believed = [one for one in found if isinstance(one, Event)]
    return believed, len(found) - len(believed)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            yield piece


def _print(journey: str, done: Any, events: int, rejected: int) -> None:
    unread = f", {rejected} rows not believed" if rejected else ""
    show.out.print(f"{journey} over {events} events of {done.people} people{unread}:")
    show.out.print(f"  entered {done.entered} times, converted {done.converted}")
    for title, counts in (("not entered", done.refused), ("messages", done.messages), ("ended", done.ends)):
        _counts(title, counts)
    show.out.print("Caps, and the other journeys people are in, are not part of it.")


def _counts(title: str, counts: Counter[str]) -> None:
    for what, times in counts.most_common():
        show.out.print(f"  {title:<12} {times:>7}  {what}")
