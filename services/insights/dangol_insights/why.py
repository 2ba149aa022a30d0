"""Why a person got what they got, and did not get what they did not. PURE."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dangol.decisions import Decision, Verdict
from dangol.documents import DefinitionSet
from dangol.errors import NotFound
from dangol.events import Event
from dangol.problems import near
from dangol_insights.model import Line, Person
from dangol_insights.sentences import told

# What concerns a person as a whole is part of the answer about any journey.
OF_ANY_JOURNEY = {Verdict.REJECTED.value, Verdict.FAILED.value, Verdict.MERGED.value}


@dataclass(frozen=True, slots=True)
class Asked:
    """The question, and what is on record: the person's newest events, and the decisions in the order of time."""

    person: Person
    journey: str | None
    events: Sequence[Event]
    decisions: Sequence[Decision]
    definitions: DefinitionSet | None


def answer(asked: Asked, words: ModuleType, zone: tzinfo) -> tuple[list[Line], str]:
    """The timeline, and a sentence where it alone does not answer. Raises `NotFound` for a journey nobody knows."""
    lines = [line for decision in asked.decisions for line in told(decision, words, zone)]
    if asked.journey is None:
        return lines, _summary(asked, lines, words)
    if not _known(asked, lines):
        raise unknown_journey(asked)
    chosen = [line for line in lines if _concerns(line, asked.journey)]
    return chosen, _summary(asked, [line for line in chosen if line.journey], words)


def zone_of(events: Iterable[Event], definitions: DefinitionSet | None) -> tzinfo:
    """The zone the person's newest event tells, else the workspace's, else UTC."""
    stated = [zone for event in events for zone in (event.traits.get("timezone"), event.context.get("timezone"))]
    workspace = definitions.of("workspace") if definitions else ()
    for name in (*stated, *(document.body.get("zone") for document in workspace)):
        if isinstance(name, str) and (zone := _zone(name)):
            return zone
    return ZoneInfo("UTC")


def unknown_journey(asked: Asked) -> NotFound:
    """What is told of a journey that is not published and decided nothing: what there is."""
    names = _journeys(asked.definitions)
    there = f"the journeys are {', '.join(names)}" if names else "no journey is published yet"
    hint = near(asked.journey or "", names) or there
    return NotFound("unknown_journey", f"there is no journey “{asked.journey}”", where="journey", hint=hint)


def _summary(asked: Asked, lines: Sequence[Line], words: ModuleType) -> str:
    if lines:
        return ""
    person, names = asked.person.name, list(dict.fromkeys(event.name for event in asked.events))
    if not asked.events and not asked.decisions:
        return str(words.NOBODY.format(person=person))
    if asked.journey is None:
        return str(words.NOTHING.format(person=person, events=", ".join(names)))
    begins = _begins_with(asked)
    if begins and begins not in names:
        return str(words.NOT_CONSIDERED.format(person=person, journey=asked.journey, event=begins))
    return str(words.SILENT.format(person=person, journey=asked.journey))


def _concerns(line: Line, journey: str) -> bool:
    return line.journey == journey or (line.journey is None and line.verdict in OF_ANY_JOURNEY)


def _known(asked: Asked, lines: Iterable[Line]) -> bool:
    return asked.journey in _journeys(asked.definitions) or any(line.journey == asked.journey for line in lines)


def _journeys(definitions: DefinitionSet | None) -> list[str]:
    return sorted(document.name for document in definitions.of("journey")) if definitions else []


def _begins_with(asked: Asked) -> str | None:
    document = asked.definitions.one("journey", asked.journey or "") if asked.definitions else None
    enter: Any = document.body.get("enter") if document else None
    event = enter.get("event") if isinstance(enter, dict) else None
    return event if isinstance(event, str) else None


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
