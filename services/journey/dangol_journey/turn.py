"""One input applied to one person: what deciding reads, and how it says what it decided."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dangol.decisions import Decision, Entry, Reason, Verdict
from dangol.events import Event
from dangol.messages import ConsentStatement, Facts
from dangol.names import named
from dangol_journey.clockwork import zone_for
from dangol_journey.journey import Definitions, Journey
from dangol_journey.model import Advanced, Enrolment, Person
from dangol_journey.traits import MISSING, trait_of

BY = "journey"
NOTHING: tuple[Any, ...] = (None, "", [])


@dataclass(slots=True)
class Turn:
    """One input's turn. `moment` is when the input happened; `event` is None when a moment came.

    `stirred`: a step set traits, so conditions that wait must be looked at again.
    """

    definitions: Definitions
    now: datetime
    moment: datetime
    event: Event | None
    out: Advanced
    stirred: bool = False
    walked: dict[str, int] = field(default_factory=dict)  # states entered in this turn, by enrolment
    person: Person = field(init=False)  # as it is by now
    name: str = field(init=False)  # the event's, in the definitions' words; empty when a moment came
    profile: dict[str, Any] | None = None  # the namespace, once it was asked for; until a trait changes

    def __post_init__(self) -> None:
        """What is asked for again and again, looked up once."""
        self.person = self.out.person
        self.name = self.definitions.aliases.get(self.event.name, self.event.name) if self.event else ""


def journey_of(definitions: Definitions, enrolment: Enrolment) -> Journey | None:
    """The journey an enrolment walks: its own version where that is loaded, else the one in force."""
    current = definitions.journeys.get(enrolment.journey)
    if current is not None and current.version == enrolment.version:
        return current
    return definitions.versions.get((enrolment.journey, enrolment.version), current)


def paused(definitions: Definitions, enrolment: Enrolment) -> bool:
    """Whether an enrolment is held: a pause is of the journey in force, and holds those on its older versions too."""
    return enrolment.journey in definitions.paused


def live(person: Person) -> list[Enrolment]:
    """The enrolments that are inside their journeys, in the order they entered."""
    return [enrolment for enrolment in person.enrolments if enrolment.status == "live"]


def entering(enrolment: Enrolment) -> tuple[datetime, str]:
    """Sorts enrolments in the order they were entered."""
    return enrolment.entered_at, enrolment.id


def decide(
    turn: Turn,
    verdict: Verdict,
    reason: str,
    of: Enrolment | None = None,
    *,
    about: str = "",
    entries: tuple[Entry, ...] = (),
    **details: Any,
) -> None:
    """Record a decision, named by what it is about (an enrolment's visit of a state, or the input)."""
    person, event = turn.person, turn.event
    visit = (of.id, of.state or "", of.visit) if of else (person.workspace, event.id if event else "", person.id)
    turn.out.decisions.append(
        Decision(
            workspace=person.workspace,
            id=named("decision", verdict, *visit, about),
            at=turn.now,
            by=BY,
            verdict=verdict,
            reason=reason,
            key=person.key,
            profile=person.id,
            user_id=person.user_id,
            anonymous_id=None if person.user_id else next(iter(person.anonymous_ids), None),
            input=event.id if event else None,
            input_name=event.name if event else None,
            journey=of.journey if of else None,
            version=of.version if of else None,
            enrolment=of.id if of else None,
            step=of.state if of else None,
            message=details.pop("message", None),
            entries=entries,
            details={name: value for name, value in details.items() if value or value not in NOTHING},
        )
    )


def unknown(path: str) -> str:
    """The reason that a condition named a value which is not there."""
    return f"{Reason.UNKNOWN_VALUE}: {path}"


def facts_of(definitions: Definitions, person: Person, consents: tuple[ConsentStatement, ...] = ()) -> Facts:
    """What the dispatcher must know of the person, as of its present version."""
    return Facts(
        workspace=person.workspace,
        profile=person.id,
        version=person.version,
        key=person.key,
        user_id=person.user_id,
        anonymous_ids=tuple(person.anonymous_ids),
        addresses=tuple(person.addresses),
        zone=person.zone,
        locale=person.locale,
        traits=_told_traits(definitions, person),
        consents=consents,
        merged_into=person.merged_into,
        erased=person.erased,
    )


def outline(definitions: Definitions, person: Person) -> tuple[object, ...]:
    """What facts say besides consents and version: where two are equal, there is no news. (Ids and addresses are
    taken as they are: their lists are replaced when they change, never changed themselves.)"""
    where = (person.addresses, person.zone, person.locale)
    return (person.key, person.user_id, person.anonymous_ids, *where, _told_traits(definitions, person))


def tell_facts(turn: Turn, before: tuple[object, ...] | None, consents: tuple[ConsentStatement, ...] = ()) -> None:
    """Say the facts if their `outline` is not as `before` (None: say them anyway), with the next version.

    Of a person nobody could reach nothing is said before a first message asks for it: most visitors stay unknown.
    """
    person = turn.person
    news = before is None or bool(consents) or outline(turn.definitions, person) != before
    if news and (before is None or bool(consents) or bool(person.addresses) or person.version > 0):
        person.version += 1
        turn.out.spoken.append(facts_of(turn.definitions, person, consents))


def _told_traits(definitions: Definitions, person: Person) -> dict[str, Any]:
    """The traits the dispatcher's rules name, as `profile_of` has them; without making the whole of it."""
    told: dict[str, Any] = {}
    for name in sorted(definitions.fact_traits):
        value = trait_of(definitions, person, name)
        if value is not MISSING:
            told[name] = value
    return told


def zone_of_person(turn: Turn) -> ZoneInfo:
    """Whose hours count: the person's, then the workspace's."""
    return zone_for(turn.person.zone, turn.definitions.zone)
