"""Deciding about people, each in a try of its own: a poison person stops nobody."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from dangol.events import Event
from dangol_journey.journey import Definitions
from dangol_journey.model import Advanced, Enrolment, Input, Person, Wake

T = TypeVar("T")
FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=1)
MOST_WAKE_RAISES = 12  # in a row: then it waits for an operator
MOST_ERROR = 16_000  # characters of a traceback: its end says most


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides: pure functions, as `machine` has them. None of them changes the people it is given."""

    advance: Callable[[Definitions, Person, Sequence[Input], datetime], Advanced]
    merge: Callable[[Definitions, Person, Person, datetime], Advanced]
    erase: Callable[[Definitions, Person, datetime], Advanced]
    entry_keys: Callable[[Definitions, Event], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Raised:
    """An input that raised, and the traceback."""

    profile: str
    input: Input
    error: str


@dataclass(slots=True)
class Subject:
    """One person of a batch, as it is by now, and what was said of it on the way."""

    person: Person
    wake_raises: int = 0
    held_until: datetime | None = None  # a wake that raised is not tried before
    advanced: list[Advanced] = field(default_factory=list)
    ended: dict[str, Enrolment] = field(default_factory=dict)
    raised: list[Raised] = field(default_factory=list)

    def wake_at(self) -> datetime | None:
        """When it is next to be woken; None for never, also when an operator must look first."""
        due = self.person.wake_at
        if self.wake_raises == 0 or due is None:
            return due
        return max(due, self.held_until) if self.held_until else None

    def enrolments(self) -> list[Enrolment]:
        """All there is to save: those it is inside of, and those that ended on the way."""
        if not self.ended:
            return self.person.enrolments
        return list((self.ended | {one.id: one for one in self.person.enrolments}).values())


def advance(rules: Rules, definitions: Definitions, subject: Subject, inputs: Sequence[Input], now: datetime) -> None:
    """Advance a person by its inputs, in order. One that raises is kept aside, and the others go on without it."""
    done = attempt(lambda: rules.advance(definitions, subject.person, inputs, now))
    if isinstance(done, Advanced):
        _take(subject, done, inputs)
    elif len(inputs) == 1:
        _keep_aside(subject, inputs[0], done, now)
    else:
        for one in inputs:
            advance(rules, definitions, subject, [one], now)


def join(rules: Rules, definitions: Definitions, winner: Subject, loser: Subject, now: datetime) -> str | None:
    """Make two people one; the traceback where that raised: then neither may be saved."""
    done = attempt(lambda: rules.merge(definitions, winner.person, loser.person, now))
    if isinstance(done, str):
        return done
    _take(winner, done, ())
    loser.person = done.absorbed or loser.person
    return None


def attempt(work: Callable[[], T]) -> T | str:
    """What `work` gives, or the traceback of what it raised."""
    try:
        return work()
    except Exception:  # noqa: BLE001 - whatever one person's facts do to the rules, the others go on
        return traceback.format_exc()[-MOST_ERROR:]


def delay_after(raises: int) -> timedelta:
    """How long a wake that raised so often in a row waits."""
    return min(FIRST_DELAY * (1 << (raises - 1)), LONGEST_DELAY)


def _take(subject: Subject, done: Advanced, inputs: Sequence[Input]) -> None:
    subject.advanced.append(done)
    subject.person = done.person
    for one in done.person.enrolments:
        if one.status != "live":
            subject.ended[one.id] = one
    if subject.wake_raises and any(isinstance(one, Wake) for one in inputs):
        subject.wake_raises, subject.held_until = 0, None


def _keep_aside(subject: Subject, given: Input, error: str, now: datetime) -> None:
    subject.raised.append(Raised(subject.person.id, given, error))
    if isinstance(given, Wake):
        subject.wake_raises += 1
        tried_enough = subject.wake_raises >= MOST_WAKE_RAISES
        subject.held_until = None if tried_enough else now + delay_after(subject.wake_raises)
