"""The log as a table of records in SQLite: one partition a topic, one commit for all who wait."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol.db import Clock, Db, moment
from dangol.driver import fetch, run_each
from dangol.errors import Unavailable
from dangol.flusher import Flusher, refuse_too_large
from dangol.positions import load_groups
from dangol.recent import Recent
from dangol.stream import Outgoing, Reader, Reassigned, Record
from dangol.tables import Logged
from dangol.topics import Topic
from dangol.turns import Haste

KEPT = timedelta(days=7)
PRUNED_EVERY = timedelta(hours=1)
PAGE = 500
APPEND = "INSERT INTO logged (topic, at, key, value) VALUES (?, ?, ?, ?)"


class SqliteStream:
    """The log and the state are one database: `append_within` is part of the caller's transaction."""

    partitions = 1

    def __init__(self, db: Db, clock: Clock, tail: int, last_at: datetime | None) -> None:
        self._db, self._clock = db, clock
        self.end_when_opened: int | None = tail + 1
        self._tails = dict.fromkeys(Topic, tail)  # per topic: no committed record has a higher id
        self._unheard: set[Topic] = set()  # appended to by a transaction of whose commit nobody has heard
        self._last_at = last_at
        self._recent = Recent(tail)
        self._landed: dict[Topic, asyncio.Event] = {topic: asyncio.Event() for topic in Topic}
        self._readers: dict[tuple[Topic, str], SqliteReader] = {}
        self._shown: dict[tuple[Topic, str], int] = {}  # saved positions: a group may keep its own elsewhere
        self._flusher = Flusher(
            self._write, breath=timedelta(0), deadline=timedelta(seconds=2), at_most=1000, room=100_000
        )
        self._pruning = asyncio.create_task(self._prune_by_and_by())

    def partition_of(self, key: str) -> int:
        """There is one."""
        return 0

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """See the port."""
        if self._db.inside():
            raise RuntimeError("append waits for the log: inside a transaction use append_within")
        await self._flusher.append(outgoing)

    async def append_within(self, conn: AsyncConnection, outgoing: Sequence[Outgoing]) -> bool:
        """Always True here."""
        if not outgoing:
            return True
        refuse_too_large(outgoing)
        at = self._next_moment()
        said = moment(at)
        await run_each(conn, APPEND, [(one.topic.value, said, one.key, one.value) for one in outgoing])
        tail = (await fetch(conn, "SELECT max(id) FROM logged"))[0][0]
        ids = range(tail - len(outgoing) + 1, tail + 1)  # one writer: they rise by one
        records = [Record(one.topic, 0, id, at, one.key, one.value) for id, one in zip(ids, outgoing, strict=True)]
        self._unheard |= {one.topic for one in outgoing}
        self._db.then(conn, lambda: self._land(tail, records))
        return True

    def reader(self, topic: Topic, group: str, member: str, reassigned: Reassigned) -> Reader:
        """See the port. The newest reader of a group holds its partition."""
        self._shown.setdefault((topic, group), 0)
        return SqliteReader(self, topic, group, reassigned)

    async def ready(self) -> str | None:
        """See the port."""
        try:
            async with self._db.transaction() as conn:
                await conn.execute(select(1))
        except Unavailable as error:
            return error.message
        return None

    async def close(self) -> None:
        """See the port. The database is its owner's to close."""
        await self._flusher.close()
        self._pruning.cancel()
        with suppress(asyncio.CancelledError):
            await self._pruning

    async def prune(self, before: datetime) -> int:
        """Delete, in small pages, what is older than `before` and behind every group's position; how many."""
        deleted = 0
        for topic in Topic:
            while page := await self._prune_page(topic, before):
                deleted += page
        return deleted

    async def _prune_page(self, topic: Topic, before: datetime) -> int:
        end = self._tails[topic] + 1
        async with self._db.transaction() as conn:
            kept = await load_groups(conn, topic)
            apart = [shown for (read, group), shown in self._shown.items() if read is topic and group not in kept]
            needed = min([*kept.values(), *apart], default=end)
            old = (
                select(col(Logged.id))
                .where(col(Logged.topic) == topic.value, col(Logged.at) < before, col(Logged.id) < min(needed, end))
                .order_by(col(Logged.id))
                .limit(PAGE)
            )
            return (await conn.execute(delete(Logged).where(col(Logged.id).in_(old)))).rowcount

    async def _prune_by_and_by(self) -> None:
        while True:
            await asyncio.sleep(PRUNED_EVERY.total_seconds())
            with suppress(Unavailable):
                await self.prune(self._clock() - KEPT)

    async def _write(self, outgoing: Sequence[Outgoing]) -> None:
        async with self._db.transaction(haste=Haste.URGENT) as conn:
            await self.append_within(conn, outgoing)

    def _next_moment(self) -> datetime:
        """Now, and never before what the log has taken, whatever the clock does."""
        now = self._clock()
        self._last_at = now if self._last_at is None else max(now, self._last_at)
        return self._last_at

    async def learn(self) -> None:
        """Ask how far the log goes, where a transaction ended and nobody knows whether its records are there."""
        if self._unheard:
            async with self._db.transaction() as conn:
                tail = (await conn.execute(select(func.max(col(Logged.id))))).scalar_one() or 0
                self._db.then(conn, lambda: self._land(tail))

    def _land(self, tail: int, records: Sequence[Record] = ()) -> None:
        topics, self._unheard = self._unheard | {record.topic for record in records}, set()
        if records:
            self._recent.add(records)
        self._recent.skip_to(tail)
        for topic in topics:
            self._tails[topic] = max(tail, self._tails[topic])
            self._landed[topic].set()
            self._landed[topic] = asyncio.Event()


class SqliteReader:
    """Reads by id. It asks the database only when it knows of something to read."""

    def __init__(self, stream: SqliteStream, topic: Topic, group: str, reassigned: Reassigned) -> None:
        self._stream, self._topic, self._group, self._reassigned = stream, topic, group, reassigned
        self._next: int | None = None  # None: the partition is not ours
        self._last_at: datetime | None = None

    async def start(self) -> None:
        """See the port. Takes the partition from a reader of the same group."""
        before = self._stream._readers.get((self._topic, self._group))
        self._stream._readers[self._topic, self._group] = self
        if before:
            await before._give_up()
        await self._reassigned([0])

    async def read(self, at_most: int, wait: timedelta) -> Sequence[Record]:
        """See the port."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                while not self._anything():
                    await self._stream._landed[self._topic].wait()
        if self._next is not None and not self._anything():
            await self._stream.learn()
        if self._next is None or not self._anything():
            return []
        return await self._read_from(self._next, at_most)

    def seek(self, partition: int, position: int) -> None:
        """See the port."""
        self._next, self._last_at = max(position, 1), None

    def reached(self, partition: int) -> datetime | None:
        """See the port. What is being written now carries a moment after its transaction began."""
        if self._next is None:
            return None
        if self._anything() or (self._stream._unheard and not self._stream._db.opened_at):
            return self._last_at
        return self._stream._db.opened_at or self._stream._clock()

    def first_offset(self, partition: int) -> int | None:
        """Never a gap: nothing is pruned past a group's position."""
        return None

    def end_offset(self, partition: int) -> int | None:
        """The position after the last record."""
        return self._stream._tails[self._topic] + 1

    async def learn(self, partitions: Collection[int]) -> None:
        """It is known."""

    def stuck(self) -> str | None:
        """Never: there is no one to wait for but the database."""
        return None

    async def show(self, positions: Mapping[int, int]) -> None:
        """See the port. Whoever prunes the log sees it."""
        self._stream._shown[self._topic, self._group] = positions.get(0, 0)

    async def close(self) -> None:
        """See the port."""
        self._next = None
        if self._stream._readers.get((self._topic, self._group)) is self:
            del self._stream._readers[self._topic, self._group]

    def _anything(self) -> bool:
        return self._next is not None and self._next <= self._stream._tails[self._topic]

    async def _give_up(self) -> None:
        self._next = None
        await self._reassigned([])

    async def _read_from(self, position: int, at_most: int) -> list[Record]:
        tail = self._stream._tails[self._topic]
        records = self._stream._recent.since(self._topic, position, at_most)
        if records is None:
            records = await self._stored(position, at_most)
        if self._next != position:
            return []  # sought, or taken away, while the database was read
        if records:
            self._last_at = records[-1].at
        last = records[-1].offset if records else 0
        self._next = last + 1 if len(records) == at_most else max(tail, last) + 1
        return records

    async def _stored(self, position: int, at_most: int) -> list[Record]:
        rows = (
            select(col(Logged.id), col(Logged.at), col(Logged.key), col(Logged.value))
            .where(col(Logged.topic) == self._topic.value, col(Logged.id) >= position)
            .order_by(col(Logged.id))
            .limit(at_most)
        )
        async with self._stream._db.transaction() as conn:
            found = (await conn.execute(rows)).all()
        return [Record(self._topic, 0, id or 0, at, key, value) for id, at, key, value in found]


async def open_sqlite_stream(db: Db, clock: Clock) -> SqliteStream:
    """The log in an open database whose tables are there."""
    async with db.transaction() as conn:
        newest = select(col(Logged.at)).order_by(col(Logged.id).desc()).limit(1)
        last_at = (await conn.execute(newest)).scalar_one_or_none()
        # what was pruned has used up its numbers too
        tail = (await conn.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'logged'"))).scalar_one_or_none()
    return SqliteStream(db, clock, tail or 0, last_at)
