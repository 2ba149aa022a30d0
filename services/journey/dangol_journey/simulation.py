"""A draft journey over recorded events: who would have entered, what would have been said, and why not."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dangol.documents import DefinitionSet
from dangol.errors import NotFound
from dangol.events import Event
from dangol_journey.language import compile_definitions
from dangol_journey.people import clean_id, new_person
from dangol_journey.post import rules_of
from dangol_journey.rehearsal import Happened, rehearse

OUTCOMES = frozenset({"sent", "dropped", "expired", "failed", "cancelled"})


@dataclass(slots=True)
class Simulated:
    """What a journey would have done; counts are of enrolments and messages, keys are sentences of few words."""

    people: int = 0
    entered: int = 0
    converted: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # reason → times not entered
    messages: Counter[str] = field(default_factory=Counter)  # "sent cart-reminder by email", "dropped … no_consent"
    ends: Counter[str] = field(default_factory=Counter)  # "finished", "exit bought"
    lives: dict[str, list[Happened]] = field(default_factory=dict)  # of those who entered


def simulate(definitions: DefinitionSet, journey: str, events: Iterable[Event]) -> Simulated:
    """Run one journey over events of any people, each at its own moment; the virtual clock goes on after the last.

    Nobody is in its control group: what is counted is what would be said. Raises `NotFound` for an unknown journey.
    """
    compiled, rules = compile_definitions(definitions), rules_of(definitions)
    drafted = compiled.journeys.get(journey)
    if drafted is None:
        raise NotFound("unknown_journey", f"there is no journey {journey!r}, or it has errors", where="journey")
    drafted = replace(drafted, holdout=0, paused=False)
    alone = replace(compiled, journeys={journey: drafted}, entries={drafted.enter.event: (drafted,)}, versions={})
    found = Simulated()
    for who, lived in _by_person(events).items():
        person = new_person(lived[0], who, lived[0].at)
        _count(found, who, rehearse(alone, rules, person, [(event.at, event) for event in lived]))
    return found


def _by_person(events: Iterable[Event]) -> Mapping[str, list[Event]]:
    """Events by person, in the order they happened: a visitor who is once known is that person from the beginning."""
    ordered = sorted(events, key=lambda event: (event.at, event.id))
    known: dict[str, str] = {}
    for event in ordered:
        user, visitor = clean_id(event.user_id), clean_id(event.anonymous_id)
        if user and visitor:
            known.setdefault(visitor, user)
    lives: dict[str, list[Event]] = {}
    for event in ordered:
        visitor = clean_id(event.anonymous_id) or ""
        who = clean_id(event.user_id) or known.get(visitor, visitor)
        if who:
            lives.setdefault(who, []).append(event)
    return lives


def _count(found: Simulated, who: str, told: list[Happened]) -> None:
    found.people += 1
    for one in told:
        why = next(iter(one.details.get("why", ())), "")
        if one.what == "entered":
            found.entered += 1
            found.lives[who] = told
        elif one.what == "not entered":
            found.refused[why] += 1
        elif one.what == "converted":
            found.converted += 1
        elif one.what in OUTCOMES:
            found.messages[_sentence(one, why)] += 1
        elif one.what in ("exit", "finished"):
            found.ends[f"exit {one.name}" if one.what == "exit" else "finished"] += 1


def _sentence(one: Happened, why: str) -> str:
    by = one.details.get("by")
    return " ".join(part for part in (one.what, one.name, f"by {by}" if by else why) if part)
