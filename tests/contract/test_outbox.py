"""What is said within a transaction: not if it rolls back, in order if it commits, again rather than never."""

import asyncio
from datetime import timedelta

import pytest

from dangol.errors import Unavailable
from dangol.outbox import Outbox
from dangol.topics import Topic
from tests.contract.conftest import Ground, said
from tests.contract.test_stream import read_until, reading


async def put(ground: Ground, outbox: Outbox, *values: str, key: str = "k") -> None:
    """One transaction that says these."""
    async with ground.db.transaction() as conn:
        await outbox.put(conn, [said(key, value, Topic.MESSAGES) for value in values])


async def test_what_rolls_back_is_never_said(ground: Ground) -> None:
    outbox = Outbox(ground.db, ground.stream, "journey")
    with pytest.raises(KeyError):
        async with ground.db.transaction() as conn:
            await outbox.put(conn, [said("k", "never", Topic.MESSAGES)])
            raise KeyError
    await put(ground, outbox, "1")
    await outbox.relay(range(ground.stream.partitions))
    async with reading(ground, Topic.MESSAGES) as reader:
        assert [record.value for record in await read_until(reader, 1)] == [b"1"]


async def test_a_person_hears_it_in_order(ground: Ground) -> None:
    outbox = Outbox(ground.db, ground.stream, "journey")
    for n in range(5):
        await put(ground, outbox, f"{n}a", f"{n}b")
    await outbox.relay(range(ground.stream.partitions))
    async with reading(ground, Topic.MESSAGES) as reader:
        found = await read_until(reader, 10)
    assert [record.value.decode() for record in found] == [f"{n}{half}" for n in range(5) for half in "ab"]
    async with ground.db.transaction() as conn:
        assert await outbox.unsent(conn) == 0
    assert await outbox.relay(range(ground.stream.partitions)) == 0


async def test_only_the_homes_held_are_published(ground: Ground) -> None:
    if ground.stream.partitions == 1:
        pytest.skip("log and state are one: nothing waits")
    outbox = Outbox(ground.db, ground.stream, "journey")
    async with ground.db.transaction() as conn:
        await outbox.put(conn, [said("k", "far", Topic.MESSAGES)], home_of=lambda _: 3)
        await outbox.put(conn, [said("k", "near", Topic.MESSAGES)], home_of=lambda _: 0)
    assert await outbox.relay([0]) == 1
    async with reading(ground, Topic.MESSAGES) as reader:
        assert [record.value for record in await read_until(reader, 1)] == [b"near"]
        # what another process left is published by who takes its home over
        other = Outbox(ground.db, ground.stream, "journey")
        assert await other.relay([3]) == 1
        assert [record.value for record in await read_until(reader, 1)] == [b"far"]


async def test_the_loop_publishes_what_is_put(ground: Ground) -> None:
    outbox, stop = Outbox(ground.db, ground.stream, "journey"), asyncio.Event()
    homes = frozenset(range(ground.stream.partitions))
    running = asyncio.create_task(outbox.run(lambda: homes, stop))
    async with reading(ground, Topic.MESSAGES) as reader:
        await put(ground, outbox, "1")
        assert [record.value for record in await read_until(reader, 1)] == [b"1"]
        await put(ground, outbox, "2")
        assert [record.value for record in await read_until(reader, 1)] == [b"2"]
    stop.set()
    await asyncio.wait_for(running, 5)


class Deaf:
    """A log in which nothing can be written for a while."""

    def __init__(self, ground: Ground) -> None:
        self.stream, self.partitions = ground.stream, ground.stream.partitions
        self.deaf = True
        self.partition_of, self.append_within = ground.stream.partition_of, ground.stream.append_within

    async def append(self, outgoing: object) -> None:
        """Refuse."""
        raise Unavailable("the log does not answer", retry_after=timedelta(seconds=1))


async def test_a_log_that_does_not_answer_loses_nothing(ground: Ground) -> None:
    if ground.stream.partitions == 1:
        pytest.skip("log and state are one: nothing waits")
    outbox = Outbox(ground.db, Deaf(ground), "journey")  # type: ignore[arg-type] # as much of a stream as an outbox needs
    await put(ground, outbox, "1", "2")
    with pytest.raises(Unavailable):
        await outbox.relay(range(4))
    again = Outbox(ground.db, ground.stream, "journey")
    assert await again.relay(range(4)) == 2
