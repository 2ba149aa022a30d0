"""Journey tests: what a person of a test file is given, and whether what was expected came of it. In milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dangol.documents import DefinitionSet, Document
from dangol.errors import Invalid
from dangol.events import Event, Fate, Kind
from dangol.messages import CONSENT_CHANNEL, Channel, ConsentStatement
from dangol.spans import said, span
from dangol_journey.addresses import addresses_in, read_addresses
from dangol_journey.clockwork import zone_for
from dangol_journey.journey import Definitions, Journey
from dangol_journey.language import compile_definitions
from dangol_journey.model import Person
from dangol_journey.post import Rules, rules_of
from dangol_journey.rehearsal import Breaks, Given, Happened, Seen, rehearse
from dangol_journey.traits import preset

USER = "trial"
SEEN = {"opened": Fate.OPENED, "clicked": Fate.CLICKED, "delivered": Fate.DELIVERED}
OUTCOMES = (
    "sent",
    "dropped",
    "expired",
    "failed",
    "held",
    "cancelled",
    "entered",
    "exit",
    "finished",
    "converted",
    "waits",
)
NEAR = timedelta(minutes=1)
STARTS = "2026-11-02T12:00"  # a Monday noon by the workspace's clock, unless the first `at` is a date and time


@dataclass(frozen=True, slots=True)
class TestResult:
    """One journey test; `told` says what was expected and what happened instead, empty where it passed."""

    name: str
    journey: str
    passed: bool
    told: str = ""
    file: str = ""


def run_tests(definitions: DefinitionSet) -> list[TestResult]:
    """Run all tests of a set that is free of errors, in their order."""
    compiled, rules = compile_definitions(definitions), rules_of(definitions)
    return [run_test(compiled, rules, document) for document in definitions.of("test")]


def run_test(definitions: Definitions, rules: Rules, document: Document) -> TestResult:
    """Run one test: only its journey is published, and nobody is in its control group unless the person says so."""
    body, name = document.body, str(document.body.get("journey", ""))
    result = TestResult(document.name, name, passed=False, file=document.file)
    journey = definitions.journeys.get(name)
    if journey is None:
        return replace(result, told=f"there is no journey {name!r}")
    start = _start(body, definitions)
    try:
        person = _person(definitions, dict(body.get("person") or {}), start)
        given = [_given(one, start, index) for index, one in enumerate(body.get("given") or ())]
        happened = rehearse(_alone(definitions, journey, body), rules, person, given)
        wrong = [_line(one) for one in body.get("expect") or () if not _came(one, happened, start)]
    except Invalid as problem:
        return replace(result, told=f"{problem.message}. {problem.hint}".rstrip(". "))
    return replace(result, passed=not wrong, told=_failure(wrong, happened, start) if wrong else "")


def _start(body: Mapping[str, Any], definitions: Definitions) -> datetime:
    """The moment spans count from: the first `at`, where that is a date and time, by the workspace's clock."""
    first: Mapping[str, Any] = next(iter(body.get("given") or ()), {})
    at = _date_time(first.get("at")) or datetime.fromisoformat(STARTS)
    return (at if at.tzinfo else at.replace(tzinfo=zone_for(definitions.zone))).astimezone(UTC)


def _date_time(at: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(at))
    except ValueError:
        return None


def _alone(definitions: Definitions, journey: Journey, body: Mapping[str, Any]) -> Definitions:
    control = bool((body.get("person") or {}).get("holdout"))
    tried = replace(journey, holdout=10_000 if control else 0)
    return replace(definitions, journeys={tried.name: tried}, entries={tried.enter.event: (tried,)}, versions={})


def _person(definitions: Definitions, stated: dict[str, Any], start: datetime) -> Person:
    """The person as the test begins: traits (also computed ones), addresses, consent."""
    consent, night = stated.pop("consent", ()), bool(stated.pop("night", False))
    stated.pop("holdout", None)
    person = Person(id=USER, workspace=definitions.workspace, key=f"{definitions.workspace}/{USER}", created_at=start)
    person.user_id = USER
    person.zone = stated.get("timezone")
    person.locale = stated.get("locale", definitions.locale)
    before = start - timedelta(days=1)
    preset(definitions, person, stated, before)
    identified = _event("Identified", before, "person", {}, Kind.IDENTIFY)
    read = read_addresses(stated, (definitions.locale, person.locale or ""))
    person.addresses = list(addresses_in(identified, stated, read, verified=True))
    roads = [consent] if isinstance(consent, str) else list(consent)
    channels = tuple(CONSENT_CHANNEL.get(Channel(road), road) if road in set(Channel) else road for road in roads)
    person.consents = [ConsentStatement(channels=(road,), granted=True, night=night, at=before) for road in channels]
    return person


def _given(one: Mapping[str, Any], start: datetime, index: int) -> tuple[datetime, Given]:
    """One line of `given`: an event with its properties, traits, or what a person does with a message."""
    rest = dict(one)
    said_at = rest.pop("at", "0s")
    at = start if index == 0 and _date_time(said_at) else start + span(str(said_at))
    for word, fate in SEEN.items():
        if word in rest:
            return at, Seen(fate, str(rest[word]))
    if "failed" in rest:
        return at, Breaks(str(rest["failed"]))
    if "event" in rest:
        name = str(rest.pop("event"))
        return at, _event(name, at, f"given {index}", rest)
    if "traits" in rest:
        return at, _event("Identified", at, f"given {index}", {}, Kind.IDENTIFY, dict(rest["traits"]))
    raise Invalid("bad_given", f"given[{index}] says nothing that can happen", hint="write event:, traits: or opened:")


def _event(
    name: str,
    at: datetime,
    id: str,
    properties: dict[str, Any],
    kind: Kind = Kind.TRACK,
    traits: dict[str, Any] | None = None,
) -> Event:
    return Event(
        workspace="default",
        id=id,
        kind=kind,
        name=name,
        user_id=USER,
        properties=properties,
        traits=traits or {},
        at=at,
        received_at=at,
    )


def _came(expected: Mapping[str, Any], happened: list[Happened], start: datetime) -> bool:
    """Whether something of the timeline is what was expected; with `none`, that nothing is."""
    word = next((word for word in OUTCOMES if word in expected), None)
    if word is None:
        raise Invalid(
            "bad_expect", f"nothing can be expected of {dict(expected)}", hint=f"write one of {', '.join(OUTCOMES)}"
        )
    name = expected[word]
    none = name is None or name is False or name == "none"
    matching = [one for one in happened if one.what == word and (none or _named(one, name))]
    if "at" in expected:
        at = start + span(str(expected["at"]))
        matching = [one for one in matching if abs(one.at - at) < NEAR]
    matching = [one for one in matching if _as_said(one, expected)]
    return not matching if none else bool(matching)


def _named(one: Happened, name: object) -> bool:
    return name is True or name in (one.name, one.details.get("step"))


def _as_said(one: Happened, expected: Mapping[str, Any]) -> bool:
    """Whether channel, reason and value are as expected, where they are said."""
    by, why, value = expected.get("by"), expected.get("why"), expected.get("value")
    reasons = one.details.get("why", ())
    return (
        by in (None, one.details.get("by"))
        and (why is None or any(str(reason).startswith(str(why)) for reason in reasons))
        and value in (None, one.details.get("value"))
    )


def _failure(wrong: list[str], happened: list[Happened], start: datetime) -> str:
    lines = [f"  {_offset(one.at, start):>8}  {_told(one, start)}" for one in happened]
    return "\n".join(["expected, and did not come:", *(f"  {line}" for line in wrong), "what happened:", *lines])


def _line(expected: Mapping[str, Any]) -> str:
    return ", ".join(f"{word}: {value}" for word, value in expected.items())


def _offset(at: datetime, start: datetime) -> str:
    return said(at - start) if at >= start else f"-{said(start - at)}"


def _told(one: Happened, start: datetime) -> str:
    shown = {name: value for name, value in one.details.items() if value not in (None, "", ()) and name != "step"}
    parts = (f"{name} {_shown(value, start)}" for name, value in shown.items())
    return " · ".join([f"{one.what} {one.name}".strip(), *parts])


def _shown(value: object, start: datetime) -> str:
    if isinstance(value, datetime):
        return _offset(value, start)
    return ", ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
