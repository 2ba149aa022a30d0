"""A group's place in a topic: saved with what the records led to, fenced, and never ahead of the truth."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from dangol.consume import RAISES_IN_A_ROW, Batch, Subscription, run_batches
from dangol.errors import Lost, Unavailable
from dangol.positions import Move, save_positions, take_positions
from dangol.tables import Position
from dangol.topics import Topic
from tests.contract.conftest import Ground, now, said

SOON = timedelta(milliseconds=100)


@asynccontextmanager
async def subscribed(ground: Ground, member: str = "m1") -> AsyncIterator[Subscription]:
    """A member of the group `g` on the events."""
    subscription = Subscription(ground.stream, ground.db, Topic.EVENTS, "g", member)
    await subscription.start()
    try:
        yield subscription
    finally:
        await subscription.close()


async def read_some(subscription: Subscription, at_most: int = 1000) -> Batch:
    """The next batch that has records."""
    async with asyncio.timeout(20):
        while True:
            batch = await subscription.read(at_most, SOON)
            if batch.records:
                return batch


async def save(ground: Ground, subscription: Subscription, batch: Batch) -> None:
    """Commit a batch that led to nothing."""
    async with ground.db.transaction() as conn:
        await subscription.save(conn, batch)
    subscription.saved(batch)


async def drain(ground: Ground, subscription: Subscription, count: int) -> list[str]:
    """Read and save until so many records came."""
    values: list[str] = []
    while len(values) < count:
        batch = await read_some(subscription)
        values += [record.value.decode() for record in batch.records]
        await save(ground, subscription, batch)
    return values


async def test_what_was_saved_is_not_read_again(ground: Ground) -> None:
    await ground.stream.append([said(f"k{n}", str(n)) for n in range(10)])
    async with subscribed(ground) as subscription:
        assert sorted(await drain(ground, subscription, 10)) == [str(n) for n in range(10)]
    await ground.reopen()
    await ground.stream.append([said("k", "later")])
    async with subscribed(ground) as subscription:
        assert await drain(ground, subscription, 1) == ["later"]


async def test_what_rolled_back_is_read_again(ground: Ground) -> None:
    await ground.stream.append([said("k", "1"), said("k", "2")])
    async with subscribed(ground) as subscription:
        batch = await read_some(subscription)
        subscription.rewind(batch)
        again = await read_some(subscription)
        assert again == batch
        await save(ground, subscription, again)


async def test_a_commit_nobody_heard_of_counts(ground: Ground) -> None:
    """The answer to COMMIT was lost: the position is asked of the database, so nothing is done twice."""
    await ground.stream.append([said("k", "1")])
    async with subscribed(ground) as subscription:
        batch = await read_some(subscription)
        async with ground.db.transaction() as conn:
            await subscription.save(conn, batch)
        subscription.rewind(batch)
        await ground.stream.append([said("k", "2")])
        assert await drain(ground, subscription, 1) == ["2"]


async def test_what_came_since_the_partition_was_taken_is_not_beyond_the_log(ground: Ground) -> None:
    """faults P2, B29: a database that was away stood every partition still, until the worker was restarted."""
    async with subscribed(ground) as subscription:
        await ground.stream.append([said("k", str(n)) for n in range(5)])
        assert await drain(ground, subscription, 5) == [str(n) for n in range(5)]
        await ground.stream.append([said("k", "unsaved")])
        subscription.rewind(await read_some(subscription))  # as when the database does not answer
        assert await drain(ground, subscription, 1) == ["unsaved"]
        assert subscription.stuck() is None


async def test_who_lost_a_partition_cannot_save(ground: Ground) -> None:
    await ground.stream.append([said("k", "1")])
    async with subscribed(ground) as subscription:
        batch = await read_some(subscription)
        partitions = sorted(subscription.held())
        async with ground.db.transaction() as conn:
            await take_positions(ground.db, conn, Topic.EVENTS, "g", "m2", partitions)
        with pytest.raises(Lost):
            await save(ground, subscription, batch)
        subscription.rewind(batch)
        empty = await subscription.read(10, SOON)
        assert not empty.records
        assert subscription.held() == frozenset()


async def test_a_batch_without_records_is_fenced_too(ground: Ground) -> None:
    async with subscribed(ground) as subscription:
        batch = await subscription.read(10, SOON)
        assert {move.partition for move in batch.moves} == subscription.held()
        await save(ground, subscription, batch)
        async with ground.db.transaction() as conn:
            await take_positions(ground.db, conn, Topic.EVENTS, "g", "m2", [0])
        with pytest.raises(Lost):
            await save(ground, subscription, await subscription.read(10, SOON))


async def test_a_position_moves_only_from_where_it_was_seen(ground: Ground) -> None:
    async with ground.db.transaction() as conn:
        held = await take_positions(ground.db, conn, Topic.EVENTS, "g", "m", [0, 1])
    moves = [Move(one.partition, 0, 5, one.epoch) for one in held]
    async with ground.db.transaction() as conn:
        await save_positions(conn, Topic.EVENTS, "g", moves)
    with pytest.raises(Lost):
        async with ground.db.transaction() as conn:
            await save_positions(conn, Topic.EVENTS, "g", [Move(0, 5, 6, held[0].epoch), moves[1]])
    async with ground.db.transaction() as conn:  # all or nothing: partition 0 is still at 5
        await save_positions(conn, Topic.EVENTS, "g", [Move(0, 5, 6, held[0].epoch)])


async def test_reached_waits_for_the_save(ground: Ground) -> None:
    async with subscribed(ground) as subscription:
        await ground.stream.append([said("k", "1")])
        home = ground.stream.partition_of("k")
        batch = await read_some(subscription)
        taken_at = batch.records[0].at
        await asyncio.sleep(0.2)
        assert subscription.reached(home) == taken_at
        await save(ground, subscription, batch)
        saved_at = now()
        async with asyncio.timeout(5):
            while (subscription.reached(home) or taken_at) <= saved_at:
                await subscription.read(10, timedelta(milliseconds=10))
        assert now() - saved_at < timedelta(seconds=1)


async def test_batches_may_be_read_ahead(ground: Ground) -> None:
    await ground.stream.append([said("k", str(n)) for n in range(4)])
    async with subscribed(ground) as subscription:
        first = await read_some(subscription, at_most=2)
        second = await read_some(subscription, at_most=2)
        await save(ground, subscription, first)
        await save(ground, subscription, second)
        assert [record.value for record in (*first.records, *second.records)] == [b"0", b"1", b"2", b"3"]


async def test_a_position_beyond_the_log_stops_the_partition_case_29(ground: Ground) -> None:
    """Caught: such a position read on from."""
    async with subscribed(ground) as subscription:
        held = sorted(subscription.held())
    async with ground.db.transaction() as conn:
        await conn.execute(update(Position).where(col(Position.partition) == 0).values(position=10_000))
    await ground.stream.append([said(f"k{n}", str(n)) for n in range(40)])
    async with subscribed(ground) as subscription:
        batch = await subscription.read(1000, timedelta(seconds=1))
        assert all(record.partition != 0 for record in batch.records)
        assert "beyond the log's end" in (subscription.stuck() or "")
        assert subscription.reached(0) is None
        assert sorted(subscription.held()) == held
        subscription.rewind(batch)


async def test_the_loop_repeats_drops_and_stops(ground: Ground) -> None:
    """A batch that met `Unavailable` is repeated; a bug is raised in the end; nothing is lost."""
    await ground.stream.append([said("k", "1")])
    outcomes = [Unavailable("later"), None]
    done: list[bytes] = []

    async def handle(batch: Batch) -> None:
        if outcome := outcomes.pop(0):
            raise outcome
        async with ground.db.transaction() as conn:
            await subscription.save(conn, batch)
        done.extend(record.value for record in batch.records)
        stop.set()

    stop = asyncio.Event()
    async with subscribed(ground) as subscription:
        await asyncio.wait_for(run_batches(subscription, handle, stop), 20)
    assert done == [b"1"]


async def test_a_worker_that_always_raises_is_over(ground: Ground) -> None:
    await ground.stream.append([said("k", "1")])
    raised = 0

    async def handle(batch: Batch) -> None:
        nonlocal raised
        raised += 1
        raise KeyError("a bug")

    async with subscribed(ground) as subscription:
        with pytest.raises(KeyError):
            await asyncio.wait_for(run_batches(subscription, handle, asyncio.Event()), 60)
    assert raised == RAISES_IN_A_ROW


async def test_two_members_share_and_take_over(ground: Ground) -> None:
    """With a second member the partitions are shared out; when it goes for good, the first has them all again."""
    if ground.stream.partitions == 1:
        pytest.skip("one process, one partition")
    await ground.stream.append([said(f"k{n}", str(n)) for n in range(40)])
    seen: dict[str, list[str]] = {"m1": [], "m2": []}
    stop = {"m1": asyncio.Event(), "m2": asyncio.Event()}
    held: dict[str, Callable[[], frozenset[int]]] = {}

    async def work(member: str) -> None:
        async with subscribed(ground, member) as subscription:

            async def handle(batch: Batch) -> None:
                async with ground.db.transaction() as conn:
                    await subscription.save(conn, batch)
                seen[member] += [record.value.decode() for record in batch.records]

            held[member] = subscription.held
            await run_batches(subscription, handle, stop[member])

    first = asyncio.create_task(work("m1"))
    await _until(lambda: "m1" in held and len(held["m1"]()) == 4 and len(seen["m1"]) == 40)
    second = asyncio.create_task(work("m2"))
    await _until(lambda: "m2" in held and len(held["m1"]()) == 2 and len(held["m2"]()) == 2)
    await ground.stream.append([said(f"k{n}", f"{n}+") for n in range(40)])
    await _until(lambda: len(seen["m1"]) + len(seen["m2"]) == 80)
    assert seen["m2"]
    stop["m2"].set()
    await second
    await _until(lambda: len(held["m1"]()) == 4)
    await ground.stream.append([said(f"k{n}", f"{n}!") for n in range(40)])
    await _until(lambda: len(seen["m1"]) + len(seen["m2"]) == 120)
    assert len(set(seen["m1"] + seen["m2"])) == 120
    stop["m1"].set()
    await first


async def _until(true: Callable[[], bool], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other tasks and on servers
            await asyncio.sleep(0.02)
