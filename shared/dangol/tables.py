"""The tables every service reads: definitions, positions, what waits to be published, the embedded log, keys."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from dangol.db import UtcDateTime

# SQLite numbers rows by itself only for INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")


class Publication(SQLModel, table=True):
    """One number of the set of definitions: who published what, when."""

    number: int = Field(primary_key=True, sa_type=BigInteger)
    workspace: str
    at: datetime = Field(sa_type=UtcDateTime)
    by: str


class Definition(SQLModel, table=True):
    """One document as it was from number `version` until `until` (None: it is in force)."""

    workspace: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigInteger)
    until: int | None = Field(default=None, sa_type=BigInteger)
    file: str = ""
    body: str = Field(sa_type=Text)  # JSON
    text: str = Field(default="", sa_type=Text)  # as it was written, from `line` of `file` on
    line: int = 1
    files: str = Field(default="{}", sa_type=Text)  # JSON: what it was put together from


class Position(SQLModel, table=True):
    """Where a group is in one partition of a topic; `epoch` rises with each new holder and fences the old one."""

    group: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    epoch: int = Field(sa_type=BigInteger)
    owner: str
    taken_at: datetime = Field(sa_type=UtcDateTime)


class Unsent(SQLModel, table=True):
    """Payloads of one home committed with their state and not yet in the log: gone from here once they are there."""

    __table_args__ = (Index("unsent_of_home", "service", "home", "id"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    service: str
    home: int  # the partition whose holder publishes it
    records: bytes = Field(sa_type=LargeBinary)  # as `outbox.bundles` packs them: topic, key, name and value each


class Logged(SQLModel, table=True):
    """A record of the embedded log; its id is its offset, in every topic."""

    __table_args__ = (Index("logged_in_topic", "topic", "id"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    topic: str
    at: datetime = Field(sa_type=UtcDateTime)
    key: str
    value: bytes = Field(sa_type=LargeBinary)


class ApiKey(SQLModel, table=True):
    """A key, known by its hash alone."""

    id: str = Field(primary_key=True)
    workspace: str
    kind: str
    shown: str  # its first characters, to be recognised by
    hash: str = Field(unique=True)  # SHA-256, hex
    scopes: str = ""  # separated by spaces; empty: all of its kind
    label: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class MovedClock(SQLModel, table=True):
    """How far the clock of `dangol up` was moved ahead; one row."""

    id: int = Field(primary_key=True)
    ahead: float  # seconds
