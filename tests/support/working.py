"""Journey's worker at work on a test's own ground, what to wait for, and when the log took what it has."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

from dangol.stream import Record, Stream
from dangol.topics import Topic
from dangol_journey.batch import Workshop
from dangol_journey.worker import Worker, open_worker


@asynccontextmanager
async def working(shop: Workshop, member: str = "m1") -> AsyncIterator[Worker]:
    """A worker at work."""
    worker, stop = open_worker(shop, member), asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


async def eventually(true: Callable[[], Awaitable[bool]], within: float = 30) -> None:
    """Return when it holds."""
    async with asyncio.timeout(within):
        while not await true():  # noqa: ASYNC110 - any condition, also one that has no event
            await asyncio.sleep(0.02)


async def records_in(stream: Stream, topic: Topic, count: int, wanted: bytes = b"") -> list[Record]:
    """Records of a topic, of all partitions, once so many of them say `wanted`."""

    async def from_the_beginning(partitions: Collection[int]) -> None:
        for partition in partitions:
            reader.seek(partition, 0)

    reader = stream.reader(topic, "onlooker", "onlooker", from_the_beginning)
    await reader.start()
    found: list[Record] = []
    try:
        async with asyncio.timeout(30):
            while sum(wanted in record.value for record in found) < count:
                found += await reader.read(1000, timedelta(milliseconds=100))
    finally:
        await reader.close()
    return found
