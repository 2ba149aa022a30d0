"""The journey language: documents → compiled definitions, and everything that is wrong with them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from dangol.documents import DefinitionSet, Document, Path, Problem
from dangol.shape_check import check_shape
from dangol.spans import span
from dangol_journey.conditions import Ungrammatical, compile_value
from dangol_journey.draft import AT_ENTRY, INSIDE, Draft, each, name_steps
from dangol_journey.forms import JOURNEY, TRAIT, percent_of
from dangol_journey.graph import check_ways
from dangol_journey.journey import (
    Aggregate,
    ComputedTrait,
    Definitions,
    EntryRule,
    ExitRule,
    Goal,
    Journey,
    OnEvent,
    State,
    Wait,
)
from dangol_journey.known import Known, known_of
from dangol_journey.steps import lay

T = TypeVar("T")

LATE = timedelta(hours=72)
PRIORITY = 50
# names of other documents that are not there: said when published, and no reason to stop who is inside
REFERENCES = frozenset({"unknown_template", "unknown_coupon", "unknown_gateway", "no_content"})


def compile_definitions(definitions: DefinitionSet, older: Iterable[DefinitionSet] = ()) -> Definitions:
    """Everything published, compiled; `older` sets give the versions of journeys that somebody is inside of.

    What has errors is left out: see `check` for them. Pure; the same sets, the same definitions.
    """
    known = known_of(definitions)
    journeys = _journeys(definitions, known)
    versions = {
        (name, journey.version): journey
        for other in older
        for name, journey in _journeys(other, known_of(other)).items()
    }
    workspace = next(iter(definitions.of("workspace")), None)
    body: Mapping[str, Any] = workspace.body if workspace else {}
    return Definitions(
        number=definitions.number,
        workspace=definitions.workspace,
        zone=str(body.get("zone") or "UTC"),
        locale=str(body.get("locale") or "en"),
        journeys=journeys,
        versions={key: journey for key, journey in versions.items() if journeys.get(key[0]) != journey},
        entries=_by_event((journey.enter.event, journey) for journey in journeys.values()),
        traits=_by_event((trait.event, trait) for trait in _traits(definitions, known)),
        remembered=_remembered([*journeys.values(), *versions.values()]),
        consent_traits=_consent_traits(body),
        fact_traits=_fact_traits(definitions),
        aliases=known.aliases,
    )


def compile_journey(document: Document, known: Known) -> tuple[Journey | None, list[Problem]]:
    """A journey compiled, and all its problems; None where an error leaves it without sense."""
    body, problems = check_shape(JOURNEY, document)
    draft = Draft(document, known, problems)
    name_steps(draft, body.get("steps"), ("steps",))
    states: dict[str, State] = {}
    first = lay(draft, states, body.get("steps"), ("steps",), None)
    if first is not None and not any(one.severity == "error" and one.code not in REFERENCES for one in draft.problems):
        check_ways(draft, states, first)
    enter, exits, goal = _enter(draft, body), _exits(draft, body), _goal(draft, body)
    broken = any(one.severity == "error" and one.code not in REFERENCES for one in draft.problems)
    if broken or enter is None:
        return None, draft.problems
    journey = Journey(
        name=document.name,
        version=document.version,
        enter=enter,
        exits=exits,
        goal=goal,
        holdout=percent_of(body.get("holdout", "0%")) or 0,
        priority=int(body.get("priority", PRIORITY)),
        states={name: states[name] for name in draft.verbs},
        first=first,
        paused=bool(body.get("paused", False)),
    )
    return journey, draft.problems


def _enter(draft: Draft, body: Mapping[str, Any]) -> EntryRule | None:
    rule = body.get("enter")
    if not isinstance(rule, dict) or "event" not in rule:
        return None
    event = draft.event(("enter", "event"), rule["event"])
    again = rule.get("again", "never")
    return EntryRule(
        event=event,
        where=draft.condition(("enter", "where"), rule.get("where"), AT_ENTRY, event),
        key=draft.value(("enter", "key"), rule.get("key"), ("event", "context"), event),
        again={"never": None, "always": timedelta()}[again] if again in ("never", "always") else span(again),
        late=span(rule["late"]) if "late" in rule else LATE,
    )


def _exits(draft: Draft, body: Mapping[str, Any]) -> tuple[ExitRule, ...]:
    found = []
    for path, rule in each(body.get("exit"), ("exit",)):
        if "event" in rule:
            event, where = _event_and_where(draft, path, rule)
            found.append(ExitRule(event, where, rule.get("as", event)))
    return tuple(found)


def _goal(draft: Draft, body: Mapping[str, Any]) -> Goal | None:
    rule = body.get("goal")
    if not isinstance(rule, dict) or "event" not in rule:
        return None
    event, where = _event_and_where(draft, ("goal",), rule)
    value = draft.value(("goal", "value"), rule.get("value"), INSIDE, event)
    return Goal(event, where, span(rule["within"]) if "within" in rule else None, value)


def _event_and_where(draft: Draft, path: Path, rule: Mapping[str, Any]) -> tuple[str, Any]:
    event = draft.event((*path, "event"), rule["event"])
    return event, draft.condition((*path, "where"), rule.get("where"), INSIDE, event)


def compile_trait(document: Document, known: Known) -> tuple[ComputedTrait | None, list[Problem]]:
    """A computed trait, and all its problems."""
    body, problems = check_shape(TRAIT, document)
    draft = Draft(document, known, problems)
    verb = next((aggregate for aggregate in Aggregate if aggregate in body), None)
    if verb is None:
        return None, problems
    event, value = _event_and_property(str(body[verb]), known)
    name = draft.event((verb.value,), event)
    if verb is Aggregate.SUM and value is None:
        draft.wrong((verb.value,), "no_property", "a sum is of a property", f"write {event}.revenue")
    if verb is Aggregate.COUNT and value is not None and not known.is_event(body[verb]):
        draft.wrong((verb.value,), "no_property", "a count is of an event, not of a property", f"write {event}")
    if value and known.events.get(name) and value.split(".")[0] not in known.events[name]:
        draft.wrong((verb.value,), "undeclared_property", f"{name} declares no {value}", warning=True)
    where = draft.condition(("where",), body.get("where"), ("event", "context", "profile"), name)
    broken = any(one.severity == "error" for one in draft.problems)
    return (None if broken else ComputedTrait(document.name, verb, name, value, where)), draft.problems


def _event_and_property(said: str, known: Known) -> tuple[str, str | None]:
    """`Order Completed.revenue` → the event and the property's path; a declared event's name may have dots in it."""
    names = sorted((*known.events, *known.aliases), key=len, reverse=True)
    event = next((name for name in names if said == name or said.startswith(f"{name}.")), said.split(".", 1)[0])
    return event, said[len(event) + 1 :] or None


def _journeys(definitions: DefinitionSet, known: Known) -> dict[str, Journey]:
    compiled = (compile_journey(document, known)[0] for document in definitions.of("journey"))
    return {journey.name: journey for journey in compiled if journey is not None}


def _traits(definitions: DefinitionSet, known: Known) -> list[ComputedTrait]:
    compiled = (compile_trait(document, known)[0] for document in definitions.of("trait"))
    return [trait for trait in compiled if trait is not None]


def _by_event(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    found: dict[str, tuple[T, ...]] = {}
    for event, item in pairs:
        found[event] = (*found.get(event, ()), item)
    return found


def _remembered(journeys: Iterable[Journey]) -> dict[str, frozenset[str]]:
    """Which properties of which events exits, goals and waits compare."""
    found: dict[str, frozenset[str]] = {}
    for journey in journeys:
        rules: list[Any] = [*journey.exits, *([journey.goal] if journey.goal else [])]
        for state in journey.states.values():
            rules += [way for way in state.ways if isinstance(way, OnEvent)] if isinstance(state, Wait) else []
        for rule in rules:
            names = [
                *(rule.where.names if rule.where else ()),
                *(rule.value.names if isinstance(rule, Goal) and rule.value else ()),
            ]
            paths = {name.removeprefix("event.") for name in names if name.startswith("event.")}
            found[rule.event] = found.get(rule.event, frozenset()) | paths
    return found


def _consent_traits(workspace: Mapping[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    consent = workspace.get("consent")
    found = {}
    for trait, stated in (consent if isinstance(consent, dict) else {}).items():
        if isinstance(stated, dict):
            given = stated.get("channels")
            channels = tuple(str(channel) for channel in given) if isinstance(given, list) else ("all",)
            found[str(trait)] = (str(stated.get("purpose", "marketing")), channels)
    return found


def _fact_traits(definitions: DefinitionSet) -> frozenset[str]:
    """The traits the dispatcher's rules name: the preferred channel, and what `hold_while` mentions."""
    found = {"preferred_channel"}
    for caps in definitions.of("caps"):
        source = caps.body.get("hold_while")
        if isinstance(source, str):
            found |= {name.split(".")[1] for name in _names(source) if name.startswith("profile.")}
    return frozenset(found)


def _names(source: str) -> frozenset[str]:
    try:
        return compile_value(source).names
    except Ungrammatical:
        return frozenset()
