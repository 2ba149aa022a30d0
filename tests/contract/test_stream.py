"""The log: what was acknowledged is there, in its key's order, and no reader claims to have read too much."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from dangol.errors import TooLarge, Unavailable
from dangol.stream import LARGEST, Outgoing, Reader, Record
from dangol.topics import Topic
from tests.contract.conftest import Ground, now, said

SOON = timedelta(milliseconds=100)


@asynccontextmanager
async def reading(ground: Ground, topic: Topic = Topic.EVENTS, group: str = "g") -> AsyncIterator[Reader]:
    """A reader of the whole topic from its beginning."""

    async def from_the_beginning(partitions: Collection[int]) -> None:
        for partition in partitions:
            reader.seek(partition, 0)

    reader = ground.stream.reader(topic, group, "m1", from_the_beginning)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.close()


async def read_until(reader: Reader, count: int, at_most: int = 1000) -> list[Record]:
    """The next so many records."""
    found: list[Record] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await reader.read(at_most, SOON)
    return found


async def test_what_was_acknowledged_is_there_after_a_restart(ground: Ground) -> None:
    await asyncio.gather(*(ground.stream.append([said(f"k{n % 7}", str(n))]) for n in range(200)))
    await ground.reopen()
    async with reading(ground) as reader:
        found = await read_until(reader, 200)
    assert sorted(int(record.value) for record in found) == list(range(200))


async def test_order_holds_per_key(ground: Ground) -> None:
    async def one_after_the_other(key: str) -> None:
        for n in range(20):
            await ground.stream.append([said(key, f"{n}a"), said(key, f"{n}b")])

    await asyncio.gather(*(one_after_the_other(f"k{n}") for n in range(10)))
    async with reading(ground) as reader:
        found = await read_until(reader, 400, at_most=37)
    by_key = defaultdict(list)
    for record in found:
        assert record.partition == ground.stream.partition_of(record.key)
        by_key[record.key].append(record.value.decode())
    assert all(values == [f"{n}{half}" for n in range(20) for half in "ab"] for values in by_key.values())
    assert len(by_key) == 10


async def test_offsets_rise_and_moments_do_not_fall(ground: Ground) -> None:
    for n in range(5):
        await ground.stream.append([said("k", str(n))])
    async with reading(ground) as reader:
        found = await read_until(reader, 5)
    assert [record.offset for record in found] == sorted({record.offset for record in found})
    assert [record.at for record in found] == sorted(record.at for record in found)
    assert abs(found[-1].at - now()) < timedelta(seconds=30)


async def test_topics_do_not_mix(ground: Ground) -> None:
    await ground.stream.append([said("k", "event"), said("k", "message", Topic.MESSAGES)])
    async with reading(ground, Topic.MESSAGES) as reader:
        found = await read_until(reader, 1)
        assert await reader.read(10, SOON) == []
    assert [record.value for record in found] == [b"message"]


async def test_a_reader_is_woken_by_an_append(ground: Ground) -> None:
    async with reading(ground) as reader:
        waiting = asyncio.create_task(reader.read(10, timedelta(seconds=20)))
        await asyncio.sleep(0)
        await ground.stream.append([said("k", "1")])
        assert [record.value for record in await waiting] == [b"1"]


async def test_reading_again_from_a_position(ground: Ground) -> None:
    await ground.stream.append([said("k", str(n)) for n in range(5)])
    async with reading(ground) as reader:
        found = await read_until(reader, 5)
        reader.seek(found[2].partition, found[2].offset)
        again = await read_until(reader, 3)
    assert again == found[2:]


async def test_nothing_is_read_before_somebody_said_where_to_start(ground: Ground) -> None:
    """A consumer begins somewhere by itself: what it brings must not count. Caught: a reader that returns it."""
    taken = asyncio.Event()

    async def do_not_seek(partitions: Collection[int]) -> None:
        taken.set()

    await ground.stream.append([said("k", str(n)) for n in range(5)])
    reader = ground.stream.reader(Topic.EVENTS, "g", "m1", do_not_seek)
    await reader.start()
    try:
        await taken.wait()
        for _ in range(20):
            assert await reader.read(2, SOON) == []
        reader.seek(ground.stream.partition_of("k"), 0)
        assert [record.value for record in await read_until(reader, 5)] == [b"0", b"1", b"2", b"3", b"4"]
    finally:
        await reader.close()


async def test_reached_never_claims_what_was_not_returned(ground: Ground) -> None:
    """Whatever `reached` said, no record the log took before that moment is returned afterwards."""
    stop = asyncio.Event()

    async def write() -> None:
        n = 0
        while not stop.is_set():
            await ground.stream.append([said(f"k{n % 5}", str(n))])
            n += 1

    writing = asyncio.create_task(write())
    returned = 0
    async with reading(ground) as reader:
        async with asyncio.timeout(20):
            while returned < 300:
                claims = {partition: reader.reached(partition) for partition in range(ground.stream.partitions)}
                for record in await reader.read(7, timedelta(milliseconds=20)):
                    claimed = claims[record.partition]
                    assert claimed is None or record.at >= claimed.replace(
                        microsecond=claimed.microsecond // 1000 * 1000
                    )
                    returned += 1
        stop.set()
        await writing
        await _reaches_the_present(ground, reader)


async def _reaches_the_present(ground: Ground, reader: Reader) -> None:
    """Once everything is read, every partition claims a moment after the last record's append, and soon."""
    present = now()
    async with asyncio.timeout(5):
        while not all((reader.reached(p) or present) > present for p in range(ground.stream.partitions)):
            await reader.read(1000, timedelta(milliseconds=10))
    assert now() - present < timedelta(seconds=2)


async def test_within_a_transaction_the_log_is_not_waited_for(ground: Ground) -> None:
    async with ground.db.transaction():
        with pytest.raises(RuntimeError, match="append waits"):
            await ground.stream.append([said("k", "1")])


async def test_it_is_ready(ground: Ground) -> None:
    assert await ground.stream.ready() is None


async def test_a_full_queue_refuses_at_once(ground: Ground) -> None:
    with pytest.raises(Unavailable):
        await ground.stream.append([said("k", "1")] * 200_000)


async def test_a_record_too_large_spoils_nobody_elses_write(ground: Ground) -> None:
    large = Outgoing(Topic.EVENTS, "k", b"x" * (LARGEST + 1), "large")
    at_limit = Outgoing(Topic.EVENTS, "k", b"x" * LARGEST, "at the limit")
    writes = [ground.stream.append([one]) for one in (said("k", "1"), large, at_limit, said("k", "2"))]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), TooLarge, type(None), type(None)]
    async with reading(ground) as reader:
        assert [len(record.value) for record in await read_until(reader, 3)] == [1, LARGEST, 1]
