"""The tables journey owns. What deciding needs is one JSON text a row; columns are what SQL must look for."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import Column, Field, SQLModel, Text

from dangol.db import UtcDateTime

_WAKES = text("wake_at IS NOT NULL")
_LIVE = text("status = 'live'")
_MERGED = text("merged_into IS NOT NULL")
_GOAL = text("status <> 'live' AND goal_until IS NOT NULL")


class Profile(SQLModel, table=True):
    """What we know of a person. `state` is a `model.Person` without its enrolments; `home` the partition of its key."""

    __table_args__ = (
        Index("profile_wake", "home", "wake_at", "id", postgresql_where=_WAKES, sqlite_where=_WAKES),
        Index("profile_email", "workspace", "email"),
        Index("profile_merged", "merged_into", postgresql_where=_MERGED, sqlite_where=_MERGED),
    )

    id: str = Field(primary_key=True)
    workspace: str
    key: str
    home: int
    user_id: str | None = None
    email: str | None = None  # to be looked up by
    merged_into: str | None = None
    version: int
    state: str = Field(sa_column=Column(Text, nullable=False))
    wake_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    wake_raises: int = 0  # how often its wake has raised in a row: it moves out, then waits for an operator


class Identity(SQLModel, table=True):
    """Whose an id is: `kind` user | anonymous."""

    workspace: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    profile: str = Field(index=True)


class Enrolment(SQLModel, table=True):
    """One person, or one cart of that person, inside one journey: at most one live of a journey and key."""

    __table_args__ = (
        Index("enrolment_live", "profile", "journey", "key", unique=True, postgresql_where=_LIVE, sqlite_where=_LIVE),
        Index("enrolment_goal", "profile", postgresql_where=_GOAL, sqlite_where=_GOAL),
        Index("enrolment_entered", "profile", "journey", "key", "entered_at"),
        Index("enrolment_counts", "workspace", "journey", "status", "step"),
    )

    id: str = Field(primary_key=True)
    workspace: str
    profile: str
    journey: str
    key: str
    version: int
    status: str  # live → exited | finished | merged
    step: str | None = None  # the state it is in
    state: str = Field(sa_column=Column(Text, nullable=False))  # a `model.Enrolment`
    entered_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    goal_until: datetime | None = Field(default=None, sa_type=UtcDateTime)  # of one that ended and may still convert


class SeenId(SQLModel, table=True):
    """An event's id with the hash of its body, remembered with its effect for at least 7 days."""

    __tablename__ = "seen_id"

    workspace: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    hash: str
    at: datetime = Field(sa_type=UtcDateTime, index=True)


class SetAside(SQLModel, table=True):
    """An input that raised, or a record that says nothing: kept to be looked at and played again."""

    __tablename__ = "set_aside"

    id: str = Field(primary_key=True)
    workspace: str = Field(index=True)
    profile: str = Field(default="", index=True)
    kind: str  # event | wake | record
    input: str = Field(sa_column=Column(Text, nullable=False))
    error: str = Field(sa_column=Column(Text, nullable=False))
    definitions: int
    at: datetime = Field(sa_type=UtcDateTime)
    replayed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Tombstone(SQLModel, table=True):
    """That the person of an id was erased, told by the id's keyed hash: what is older brings nobody back."""

    workspace: str = Field(primary_key=True)
    hash: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)


class ErasureKey(SQLModel, table=True):
    """The random key of a workspace's tombstones: without it they tell nothing."""

    __tablename__ = "erasure_key"

    workspace: str = Field(primary_key=True)
    key: str
