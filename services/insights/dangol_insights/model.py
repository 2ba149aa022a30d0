"""The nouns of insights: whom and what is asked for, and what is told."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, Field

Text = Annotated[str, Field(max_length=256)]
T = TypeVar("T")
GROUP = "insights"  # who reads the log for the archive


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a question is about: an id, and the profiles that are known to be theirs."""

    user_id: str | None = None
    anonymous_id: str | None = None
    profiles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How they are called in a sentence."""
        return self.user_id or self.anonymous_id or ""


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A payload and its number in the archive."""

    number: int
    payload: T


@dataclass(frozen=True, slots=True)
class Counts:
    """A number of events and one of decisions: how many, or the newest."""

    events: int = 0
    decisions: int = 0


class Wanted(BaseModel, frozen=True, extra="forbid"):
    """Which events or decisions: all that is named must hold. `after` is a number to go on from, oldest first.

    `name` is of events; `verdict`, `reason`, `profile`, `input`, `journey` and `message` are of decisions.
    """

    user_id: Text | None = None
    anonymous_id: Text | None = None
    id: Text | None = None
    name: Text | None = None
    verdict: Text | None = None
    reason: Text | None = None
    profile: Text | None = None
    input: Text | None = None
    journey: Text | None = None
    message: Text | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    after: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was decided, told: codes for programs, a sentence for people."""

    at: datetime
    local_at: datetime
    verdict: str
    reason: str
    text: str
    by: str
    journey: str | None = None
    step: str | None = None
    channel: str | None = None
    message: str | None = None
    input: str | None = None
    entered: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)
