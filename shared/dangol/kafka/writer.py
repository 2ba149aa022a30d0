"""Writes to the brokers: whole batches, one at a time a partition, within our own deadline, or not at all."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from dangol.errors import Unavailable
from dangol.kafka.connection import PRODUCER, Connection
from dangol.kafka.home import homes_of
from dangol.stream import Outgoing
from dangol.topics import Topic

Batch = Any  # aiokafka's BatchBuilder
log = structlog.get_logger(__name__)
DEADLINE = 1.8  # seconds; a caller is told within 2


class Writer:
    """Holds a producer. After a timeout or any error it is closed and another is made: aiokafka's idempotent producer
    retries for ever, and can wedge."""

    def __init__(self, connection: Connection, prefix: str, partitions: int) -> None:
        self._connection, self._prefix, self._partitions = connection, prefix, partitions
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def write(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when the brokers have all of it. Raises `Unavailable`; then some of it may be there, or come there."""
        try:
            async with asyncio.timeout(DEADLINE):
                await self._write(outgoing)
        except (KafkaError, TimeoutError, OSError) as error:
            self._give_up_producer()
            raise Unavailable(f"the log does not take it: {error or 'no answer in time'}") from error
        except asyncio.CancelledError:
            self._give_up_producer()
            raise

    async def well(self) -> str | None:
        """None when the brokers answer, else why not, in a sentence."""
        try:
            async with asyncio.timeout(DEADLINE):
                producer = await self._open()
                await producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError) as error:
            return f"the log does not answer: {error or 'no answer in time'}"
        return None

    async def close(self) -> None:
        """Give the connections back."""
        self._give_up_producer()
        await asyncio.gather(*self._closing)

    async def _write(self, outgoing: Sequence[Outgoing]) -> None:
        producer = await self._open()
        waiting = [
            await producer.send_batch(batch, topic, partition=partition)
            for topic, partition, batch in self._batches(producer, outgoing)
        ]
        await asyncio.gather(*waiting)

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._connection.arguments(), **PRODUCER)
                try:
                    await producer.start()
                except BaseException:
                    await _close(producer)
                    raise
                self._producer = producer
            return self._producer

    def _batches(self, producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> list[tuple[str, int, Batch]]:
        """The outgoing in as few batches as hold them, each partition's in order."""
        keys = [one.key.encode() for one in outgoing]
        homes = homes_of(keys, self._partitions)
        by_place: defaultdict[tuple[Topic, int], list[tuple[bytes, bytes]]] = defaultdict(list)
        for one, key, home in zip(outgoing, keys, homes, strict=True):
            by_place[one.topic, home].append((key, one.value))
        return [
            (self._prefix + topic, partition, batch)
            for (topic, partition), records in by_place.items()
            for batch in _batches_of(producer, records)
        ]

    def _give_up_producer(self) -> None:
        if producer := self._producer:
            self._producer = None
            task = asyncio.create_task(_close(producer))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _batches_of(producer: AIOKafkaProducer, records: Sequence[tuple[bytes, bytes]]) -> Iterator[Batch]:
    """Keys and values in closed batches, as few as hold them."""
    batch = producer.create_batch()
    for key, value in records:
        # no moment: the log puts its own on it
        if batch.append(key=key, value=value, timestamp=None) is None:
            batch.close()
            yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)  # the first of a batch always fits
    batch.close()
    yield batch


async def _close(producer: AIOKafkaProducer) -> None:
    """`stop()` waits for every batch in it, and with the broker gone for ever: end its sender first."""
    with suppress(KafkaError, asyncio.CancelledError):
        await producer._sender.close()
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(5):
            await producer.stop()
