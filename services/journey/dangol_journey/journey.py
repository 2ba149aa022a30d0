"""A compiled journey: a flat table of named states; and all that is published in a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Expression(Protocol):
    """A compiled CEL expression: pure, projected on the names it mentions."""

    @property
    def source(self) -> str:
        """As it was written."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """The paths it mentions: "event.cart_value", "profile.country"."""
        ...

    def value(self, scope: Mapping[str, Any]) -> Any:
        """Its value; raises `Missing` (with the path) where a named value is not there or has not the type it needs."""
        ...


class Missing(Exception):
    """A condition named a value that is not there: not met, with the reason `unknown: PATH`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Receipt(StrEnum):
    """What a message's fate may be waited for, besides its end."""

    OPENED = "opened"
    CLICKED = "clicked"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the person's day, from `start` up to `end`; `end` before `start` goes over midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class OnEvent:
    """A way taken when an event comes, from now on."""

    event: str
    where: Expression | None
    then: str | None


@dataclass(frozen=True, slots=True)
class OnReceipt:
    """A way taken when a step's message is opened, clicked or delivered, also if it is so already."""

    receipt: Receipt
    step: str
    then: str | None


@dataclass(frozen=True, slots=True)
class When:
    """A way taken when a condition is met, also if it is so already."""

    condition: Expression
    then: str | None


@dataclass(frozen=True, slots=True)
class After:
    """A way taken when a span has passed since the step's moment (or since the newest entry event)."""

    span: Expression | timedelta
    since_latest: bool
    between: Window | None
    then: str | None


@dataclass(frozen=True, slots=True)
class Until:
    """A way taken at a moment; `earlier` moves it to before the window instead of to its next opening."""

    moment: Expression
    shift: timedelta
    between: Window | None
    earlier: bool
    then: str | None


Way = OnEvent | OnReceipt | When | After | Until


@dataclass(frozen=True)
class Wait:
    """Stays until the first of its ways happens."""

    name: str
    ways: tuple[Way, ...]

    @cached_property
    def heard(self) -> frozenset[str] | None:
        """The events that may take a way of it; None where any may: of a condition, of a receipt."""
        if any(isinstance(way, OnReceipt | When) for way in self.ways):
            return None
        return frozenset(way.event for way in self.ways if isinstance(way, OnEvent))

    @cached_property
    def movable(self) -> bool:
        """Whether its moment may move while it is waited for."""
        return any(_movable(way) for way in self.ways)


def _movable(way: Way) -> bool:
    """Whether a way's moment counts from what may change meanwhile: the newest entry event, a trait, a zone."""
    match way:
        case After():
            named = way.span.names if not isinstance(way.span, timedelta) else frozenset()
            counted = way.since_latest or any(name.startswith(("latest.", "profile.")) for name in named)
            return counted or way.between is not None
        case Until():
            return True  # a date is of the person's zone
        case OnEvent() | OnReceipt() | When():
            return False


@dataclass(frozen=True, slots=True)
class Branch:
    """Takes the first way that is true; `None` as condition is else."""

    name: str
    ways: tuple[tuple[Expression | None, str | None], ...]
    next: str | None  # where none is true


@dataclass(frozen=True, slots=True)
class Send:
    """Asks for a message, and stays until its fate is known."""

    name: str
    template: str
    by: tuple[str, ...]
    within: timedelta | None
    to: str | None
    otherwise: str | None  # the first state of `otherwise`; None: as `next`
    has_otherwise: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class Coupon:
    """Promises a coupon; its expiry is a rule of its file."""

    name: str
    pool: str
    valid_for: timedelta | None
    expires_at: datetime | None
    next: str | None


@dataclass(frozen=True, slots=True)
class SetTraits:
    """Sets traits of the profile: name → expression or a plain value."""

    name: str
    traits: Mapping[str, Any]  # Expression, or a JSON value
    next: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Asks for a signed call of a gateway, and stays until its fate is known."""

    name: str
    gateway: str
    json: Any
    within: timedelta | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Go:
    """Goes to another state, at most `at_most` times an enrolment."""

    name: str
    to: str
    at_most: int
    next: str | None  # when it went that often


@dataclass(frozen=True, slots=True)
class Leave:
    """Leaves the journey (`exit:` as a step)."""

    name: str
    reason: str


State = Wait | Branch | Send | Coupon | SetTraits | Webhook | Go | Leave


@dataclass(frozen=True, slots=True)
class EntryRule:
    """Who enters: an event, perhaps with a condition and a key. `again`: None never, 0 always, else a span."""

    event: str
    where: Expression | None
    key: Expression | None
    again: timedelta | None
    late: timedelta


@dataclass(frozen=True, slots=True)
class ExitRule:
    """What ends it early."""

    event: str
    where: Expression | None
    name: str


@dataclass(frozen=True, slots=True)
class Goal:
    """What counts as success within a span of the entry; it counts, and does not leave."""

    event: str
    where: Expression | None
    within: timedelta | None
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey as the machine walks it: a flat table of named states. `version` is the number that published it."""

    name: str
    version: int
    enter: EntryRule
    exits: tuple[ExitRule, ...]
    goal: Goal | None
    holdout: int  # of 10,000
    priority: int
    states: Mapping[str, State]
    first: str | None
    paused: bool = False


class Aggregate(StrEnum):
    """How a computed trait is computed, over a lifetime."""

    COUNT = "count"
    SUM = "sum"
    FIRST = "first"
    LAST = "last"


NUMBERS = (Aggregate.COUNT, Aggregate.SUM)  # of nothing they are 0


@dataclass(frozen=True, slots=True)
class ComputedTrait:
    """A trait computed from events: of `event`, where a condition holds, of `value` (a property path)."""

    name: str
    aggregate: Aggregate
    event: str
    value: str | None
    where: Expression | None


@dataclass(frozen=True)
class Definitions:
    """Everything published in one workspace, compiled, with the indexes that make an event cheap."""

    number: int
    workspace: str
    zone: str
    locale: str
    journeys: Mapping[str, Journey]
    versions: Mapping[tuple[str, int], Journey]  # older ones that somebody is inside of
    entries: Mapping[str, tuple[Journey, ...]]  # by event name
    traits: Mapping[str, tuple[ComputedTrait, ...]]  # by event name
    remembered: Mapping[str, frozenset[str]]  # event name → property paths that exits, goals and untils compare
    consent_traits: Mapping[str, tuple[str, tuple[str, ...]]] = field(
        default_factory=dict
    )  # trait → (purpose, channels)
    fact_traits: frozenset[str] = frozenset()  # traits the dispatcher's rules name
    aliases: Mapping[str, str] = field(default_factory=dict)  # another name of an event → its name

    @cached_property
    def paused(self) -> frozenset[str]:
        """The journeys that are paused."""
        return frozenset(name for name, journey in self.journeys.items() if journey.paused)

    @cached_property
    def computed(self) -> Mapping[str, bool]:
        """The names of all computed traits, and whether one of no events is 0."""
        return {trait.name: trait.aggregate in NUMBERS for traits in self.traits.values() for trait in traits}
