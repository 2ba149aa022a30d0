"""The nouns of journey: a person, an enrolment, an input, and what advancing gives."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from dangol.decisions import Decision
from dangol.events import Event
from dangol.messages import Address, Cancel, ConsentStatement, Facts, Message


class Sent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a send or webhook step knows of its message: the step's result (`mail.opened`)."""

    message: str
    fate: str | None = None
    channel: str | None = None
    reason: str | None = None
    sent_at: datetime | None = None
    delivered: bool = False
    opened: bool = False
    clicked: bool = False


class Enrolment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One person, or one cart of that person, inside one journey. Stored whole as JSON beside its columns."""

    id: str  # named by profile, journey, key and the entering event: a replay makes the same
    journey: str
    version: int
    key: str = ""
    status: str = "live"  # live | exited | finished | merged
    state: str | None = None
    visit: int = 0  # of the present state
    visits: dict[str, int] = {}
    entered_at: datetime
    entry_input: str = ""
    step_at: datetime  # the moment waits count from
    due_at: datetime | None = None
    entry: dict[str, Any] = {}
    latest: dict[str, Any] = {}  # empty while it is the entry
    latest_at: datetime | None = None
    seen: list[dict[str, Any]] = []  # empty while it is the entry alone
    results: dict[str, dict[str, Any]] = {}  # step's name → result (coupon: pool, issue, expires_at)
    sends: dict[str, Sent] = {}
    holdout: bool = False
    goal_until: datetime | None = (
        None  # a goal may still be reached until then, also after the end: load such enrolments too
    )
    converted: bool = False
    ended_at: datetime | None = None
    end_reason: str = ""


class Remembered(msgspec.Struct, kw_only=True, omit_defaults=True):
    """That an event named in an exit, goal or wait happened, with the values they compare; kept for `late`."""

    event: str
    at: datetime
    id: str
    properties: dict[str, Any] = {}


class Person(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything deciding about one person needs; saved by the store, changed only by PURE code."""

    id: str
    workspace: str
    key: str  # the home's log key
    version: int = 0
    user_id: str | None = None
    anonymous_ids: list[str] = []
    first_key_id: str = ""  # the browser key it was first seen with
    traits: dict[str, Any] = {}
    trait_times: dict[str, datetime] = {}  # when a trait was last stated: an older event does not overwrite it
    computed: dict[str, dict[str, Any]] = {}  # trait → its little state
    addresses: list[Address] = []
    zone: str | None = None
    locale: str | None = None
    consents: list[ConsentStatement] = []  # newest statement per (purpose, channel): one channel each
    stated: dict[str, bool] = {}  # what a consent trait or context.consent last said: only a change is a statement
    remembered: list[Remembered] = []
    enrolments: list[Enrolment] = []  # live ones and open goals; after `advance` also those that ended in it
    entered: dict[str, datetime] = {}  # "journey\x1fkey" → last entered, for the pairs the inputs may enter
    wake_at: datetime | None = None
    created_at: datetime
    merged_into: str | None = None
    erased: bool = False


class Wake(msgspec.Struct, frozen=True):
    """The person's earliest moment has come: whatever is due at `at` or before fires, nothing later."""

    at: datetime


Input = Event | Wake


@dataclass(slots=True)
class Advanced:
    """What became of a person, and what should happen; in order."""

    person: Person
    spoken: list[Facts | Message | Cancel] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)  # our own, for the log
    decisions: list[Decision] = field(default_factory=list)
    absorbed: Person | None = None  # of `merge`: the profile that was taken over, to be saved as such


class Onward(msgspec.Struct, frozen=True):
    """Where an enrolment goes next (None: to the end), and the moment from which its waits count."""

    to: str | None
    at: datetime
