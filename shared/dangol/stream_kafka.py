"""The log on Apache Kafka: writers share batches, readers are members of groups."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Clock, Db
from dangol.flusher import Flusher
from dangol.kafka.connection import Connection, connection_of
from dangol.kafka.home import home_of
from dangol.kafka.reader import KafkaReader
from dangol.kafka.topics import ensure_topics
from dangol.kafka.writer import Writer
from dangol.settings import Settings
from dangol.stream import Outgoing, Reader, Reassigned
from dangol.topics import Topic

WELL_FOR = timedelta(seconds=30)  # how long an answer of the log counts


class KafkaStream:
    """One producer for the process, one consumer a reader."""

    end_when_opened: int | None = None  # what was acknowledged stays

    def __init__(self, connection: Connection, prefix: str, partitions: int, db: Db, clock: Clock) -> None:
        self.partitions = partitions
        self._connection, self._prefix, self._db, self._clock = connection, prefix, db, clock
        self._writer = Writer(connection, prefix, partitions)
        self._well_at = clock()
        self._flusher = Flusher(
            self._write,
            breath=timedelta(milliseconds=2),
            deadline=timedelta(seconds=1.9),
            at_most=5_000,
            room=100_000,
        )

    def partition_of(self, key: str) -> int:
        """See the port."""
        return home_of(key, self.partitions)

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """See the port."""
        if self._db.inside():
            raise RuntimeError("append waits for the log: inside a transaction use an outbox")
        await self._flusher.append(outgoing)

    async def append_within(self, conn: AsyncConnection, outgoing: Sequence[Outgoing]) -> bool:
        """Log and state are two: an outbox stands between them."""
        return False

    def reader(self, topic: Topic, group: str, member: str, reassigned: Reassigned) -> Reader:
        """See the port. A group on the brokers is of one topic, so that a member's name is used once in it."""
        names = (self._prefix + topic, f"{self._prefix}{group}.{topic}", member)
        return KafkaReader(self._connection, topic, names, reassigned, self._well)

    async def ready(self) -> str | None:
        """See the port."""
        reason = await self._writer.well()
        if reason is None:
            self._well_at = self._clock()
        return reason

    async def close(self) -> None:
        """See the port."""
        await self._flusher.close()
        await self._writer.close()

    async def _write(self, outgoing: Sequence[Outgoing]) -> None:
        await self._writer.write(outgoing)
        self._well_at = self._clock()

    def _well(self) -> bool:
        return self._clock() < self._well_at + WELL_FOR


async def open_kafka_stream(settings: Settings, db: Db, clock: Clock) -> KafkaStream:
    """The log `settings.log` names; its topics are made where they are missing."""
    connection = connection_of(settings)
    partitions = await ensure_topics(connection, settings)
    return KafkaStream(connection, settings.topic_prefix, partitions, db, clock)
