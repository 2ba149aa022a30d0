"""Builders for the journey tests: definitions, people and events with defaults, conditions as Python reads them."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from dangol.events import Event, Kind, Origin
from dangol_journey.journey import (
    After,
    Branch,
    ComputedTrait,
    Coupon,
    Definitions,
    EntryRule,
    ExitRule,
    Goal,
    Journey,
    Missing,
    OnEvent,
    OnReceipt,
    Receipt,
    Send,
    State,
    Until,
    Wait,
    Way,
    Window,
)
from dangol_journey.machine import advance
from dangol_journey.model import Advanced, Input, Person, Wake

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)  # 12:00 in Seoul, a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Condition:
    """A condition over dotted names, in Python's words: enough for the machine, which only asks its value."""

    source: str
    names: frozenset[str]

    def value(self, scope: Mapping[str, Any]) -> Any:
        return eval(
            compile(_Named().visit(ast.parse(self.source, mode="eval")), "condition", "eval"), {"at": _at(scope)}
        )


class _Named(ast.NodeTransformer):
    """`event.cart.id` → `at("event.cart.id")`."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        at = ast.Call(ast.Name("at", ast.Load()), [ast.Constant(ast.unparse(node))], [])
        return ast.fix_missing_locations(ast.copy_location(at, node))


def _at(scope: Mapping[str, Any]) -> Any:
    def at(path: str) -> Any:
        value: Any = scope
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                raise Missing(path)
            value = value[name]
        return value

    return at


def when(source: str) -> Condition:
    """A condition from its text."""
    tree = ast.parse(source, mode="eval")
    return Condition(source, frozenset(ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)))


def maybe(source: str | None) -> Condition | None:
    return when(source) if source else None


def send(name: str, next: str | None = None, **more: Any) -> Send:
    given: dict[str, Any] = {"template": name, "by": ("email",), "within": None, "to": None, "otherwise": None}
    return Send(name=name, next=next, **(given | {"has_otherwise": "otherwise" in more} | more))


def after(span: timedelta, then: str | None = None, since_latest: bool = False, between: Window | None = None) -> After:
    return After(span, since_latest, between, then)


def wait(name: str, *ways: Way) -> Wait:
    return Wait(name, ways)


def until(moment: str, then: str | None = None, *, shift: timedelta = timedelta(), **more: Any) -> Until:
    given: dict[str, Any] = {"between": None, "earlier": False}
    return Until(when(moment), shift, then=then, **(given | more))


def on(event: str, then: str | None = None, where: str | None = None) -> OnEvent:
    return OnEvent(event, maybe(where), then)


def opened(step: str, then: str | None = None) -> OnReceipt:
    return OnReceipt(Receipt.OPENED, step, then)


def coupon(name: str, next: str | None = None, valid_for: timedelta | None = 3 * DAY) -> Coupon:
    return Coupon(name, f"{name}-pool", valid_for, None, next)


def branch(name: str, *ways: tuple[str | None, str | None], next: str | None = None) -> Branch:
    return Branch(name, tuple((maybe(condition), to) for condition, to in ways), next)


def journey(name: str, enter: str, *states: State, **more: Any) -> Journey:
    """A journey entered by an event; its states in the order given, the first is where it begins."""
    rule = EntryRule(
        event=enter,
        where=maybe(more.pop("where", None)),
        key=maybe(more.pop("key", None)),
        again=more.pop("again", None),
        late=more.pop("late", 72 * HOUR),
    )
    exits = tuple(ExitRule(event, maybe(where), name) for event, where, name in more.pop("exits", ()))
    given: dict[str, Any] = {"version": 1, "goal": None, "holdout": 0, "priority": 50}
    table = {state.name: state for state in states}
    first = states[0].name if states else None
    return Journey(name=name, enter=rule, exits=exits, states=table, first=first, **(given | more))


def goal(event: str, within: timedelta | None = 7 * DAY, value: str | None = None, where: str | None = None) -> Goal:
    return Goal(event, maybe(where), within, maybe(value))


def definitions(*journeys: Journey, traits: Sequence[ComputedTrait] = (), **more: Any) -> Definitions:
    """What is published: these journeys, with everything their exits, goals and waits name remembered."""
    entries: dict[str, tuple[Journey, ...]] = {}
    remembered: dict[str, frozenset[str]] = {}
    for one in journeys:
        entries[one.enter.event] = (*entries.get(one.enter.event, ()), one)
        for event, names in _named_events(one):
            remembered[event] = remembered.get(event, frozenset()) | names
    computed: dict[str, tuple[ComputedTrait, ...]] = {}
    for trait in traits:
        computed[trait.event] = (*computed.get(trait.event, ()), trait)
    given: dict[str, Any] = {"number": 1, "workspace": "default", "zone": "Asia/Seoul", "locale": "ko", "versions": {}}
    by_name = {one.name: one for one in journeys}
    return Definitions(journeys=by_name, entries=entries, traits=computed, remembered=remembered, **(given | more))


def _named_events(one: Journey) -> list[tuple[str, frozenset[str]]]:
    rules: list[Any] = [*one.exits, *([one.goal] if one.goal else [])]
    rules += [way for state in one.states.values() if isinstance(state, Wait) for way in state.ways]
    named = [rule for rule in rules if hasattr(rule, "event")]
    names = [rule.where.names if rule.where else frozenset() for rule in named]
    return [
        (rule.event, frozenset(name.removeprefix("event.") for name in given if name.startswith("event.")))
        for rule, given in zip(named, names, strict=True)
    ]


def person(id: str = "p1", **more: Any) -> Person:
    given: dict[str, Any] = {"workspace": "default", "key": "default/u1", "user_id": "u1", "created_at": NOON}
    return Person(id=id, **(given | more))


def event(name: str, at: datetime = NOON, id: str | None = None, **properties: Any) -> Event:
    """A backend's event of u1; its id tells name and moment, so two of one name at one moment need their own."""
    return Event(
        workspace="default",
        id=id or f"{name}@{at.isoformat()}",
        kind=Kind.TRACK,
        name=name,
        user_id="u1",
        properties=properties,
        at=at,
        received_at=at,
        origin=Origin.SERVER,
    )


def identify(at: datetime = NOON, id: str = "", **traits: Any) -> Event:
    return Event(
        workspace="default",
        id=id or f"identify@{at.isoformat()}",
        kind=Kind.IDENTIFY,
        name="Identified",
        user_id="u1",
        traits=traits,
        at=at,
        received_at=at,
    )


class Life:
    """A person's life under some definitions, on a clock that is wound: each call says what came of it."""

    def __init__(self, defined: Definitions, who: Person | None = None, now: datetime = NOON) -> None:
        self.definitions, self.person, self.now = defined, who or person(), now
        self.last = Advanced(self.person)

    def give(self, *inputs: Input, now: datetime | None = None) -> Advanced:
        """Apply inputs at the latest of their moments (or at `now`), and fire no timer."""
        self.now = now or max([self.now, *(given.at for given in inputs)])
        self.last = advance(self.definitions, self.person, inputs, self.now)
        self.person = self.last.person
        return self.last

    def happens(self, name: str, at: datetime | None = None, **properties: Any) -> Advanced:
        """An event, now or at its own moment."""
        return self.give(event(name, at or self.now, **properties))

    def forward(self, span: timedelta) -> list[Advanced]:
        """Let time pass: each moment that comes due is given as it comes."""
        target, told = self.now + span, []
        while self.person.wake_at is not None and self.person.wake_at <= target:
            told.append(self.give(Wake(self.person.wake_at), now=max(self.now, self.person.wake_at)))
        self.now = target
        return told

    def fate(self, name: str, message: Any, at: datetime | None = None, **more: Any) -> Advanced:
        """The dispatcher tells what became of a message."""
        told = {"message_id": message.id, "enrolment": message.enrolment, "step": message.step, "visit": message.visit}
        moment = at or self.now
        said = event(name, moment, id=f"{name}:{message.id}:{moment}", **told, **more)
        return self.give(replace(said, origin=Origin.SERVICE))
