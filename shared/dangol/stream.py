"""The port to the durable log: append, and read by partition from a position we keep ourselves."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.topics import Topic

if TYPE_CHECKING:
    from dangol.db import Clock, Db
    from dangol.settings import Settings


LARGEST = 900_000  # bytes of a value; a broker takes a little more


class Outgoing(msgspec.Struct, frozen=True, gc=False):  # several an event: a fifth of a frozen dataclass's time
    """One payload on its way to the log. `name` makes a repeat of it recognisable to readers."""

    topic: Topic
    key: str
    value: bytes
    name: str


class Record(msgspec.Struct, frozen=True):
    """One payload the log has taken. Offsets of a partition rise, with gaps; `at` is the log's own moment, UTC."""

    topic: Topic
    partition: int
    offset: int
    at: datetime
    key: str
    value: bytes


class Reader(Protocol):
    """One member of a reading group on one topic. It keeps no position: it is told where to start."""

    async def start(self) -> None:
        """Join the group."""

    async def read(self, at_most: int, wait: timedelta) -> Sequence[Record]:
        """The next records of the held partitions, in each partition's order; empty after `wait` without any."""
        ...

    def seek(self, partition: int, position: int) -> None:
        """Read this partition from `position` (the offset of the next record to handle) on."""

    def reached(self, partition: int) -> datetime | None:
        """A moment such that every record the log took before it was already returned by `read`; None if not known."""
        ...

    def first_offset(self, partition: int) -> int | None:
        """The oldest offset the log still has, where that is known: a position before it is a gap to be told."""
        ...

    def end_offset(self, partition: int) -> int | None:
        """The offset the next record had when it was last asked for, where that is known; see `learn`."""
        ...

    async def learn(self, partitions: Collection[int]) -> None:
        """Ask anew how far the log of these goes: a position after its end then is of another log."""
        ...

    def stuck(self) -> str | None:
        """Why it stands still although the log is well, in a sentence; None while it does not."""
        ...

    async def show(self, positions: Mapping[int, int]) -> None:
        """Let whoever watches the log see how far we have saved; a display and nothing more."""

    async def close(self) -> None:
        """Leave the group."""


# Called when the held partitions changed: the new ones must be `seek`ed before it returns.
Reassigned = Callable[[Collection[int]], Awaitable[None]]


class Stream(Protocol):
    """The log. Two implementations: Kafka, and a table of records in SQLite."""

    partitions: int  # of every topic; fixed at creation
    end_when_opened: int | None  # the offset after the last record then; None where the log never loses its end

    def partition_of(self, key: str) -> int:
        """The partition a key lives in: a person's home."""
        ...

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when all of it is durable; raise `Unavailable` within 2 s when it can't be. Order per key is kept.

        Raises `TooLarge` for a value of more than `LARGEST` bytes; then nothing of it is appended.
        """

    async def append_within(self, conn: AsyncConnection, outgoing: Sequence[Outgoing]) -> bool:
        """Append as part of an open transaction where log and state are one database; False where they are two."""
        ...

    def reader(self, topic: Topic, group: str, member: str, reassigned: Reassigned) -> Reader:
        """A reader of `topic` as `member` (its stable name) of `group`."""
        ...

    async def ready(self) -> str | None:
        """None when the log answers, else why not, in a sentence."""
        ...

    async def close(self) -> None:
        """Release what is open; what was appended stays."""


async def open_stream(settings: "Settings", db: "Db", clock: "Clock") -> Stream:
    """The log `settings.log` names: in this database, or on Kafka (whose topics are made if they are missing)."""
    if settings.log.startswith("kafka"):
        from dangol.stream_kafka import open_kafka_stream

        return await open_kafka_stream(settings, db, clock)
    from dangol.stream_sqlite import open_sqlite_stream

    return await open_sqlite_stream(db, clock)
