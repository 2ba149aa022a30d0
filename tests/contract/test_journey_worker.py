"""The worker on every backend: what is in the log is done once, moments fire in turn, who lost a home does no harm."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from dangol.consume import Batch
from dangol.errors import Lost
from dangol.positions import Move
from dangol.stream import Outgoing, Record
from dangol.topics import Topic
from dangol_journey.handling import halves
from dangol_journey.worker import open_worker
from tests.contract.conftest import Ground
from tests.support.journeys import after, definitions, journey, send, wait
from tests.support.walks import WELCOME
from tests.support.working import eventually, working
from tests.support.workshops import did, raising, record_of, rows, workshop

SOON = journey("soon", "Signed Up", wait("blink", after(timedelta(milliseconds=300), "hi")), send("hi"))


async def counted(ground: Ground, table: str) -> int:
    return int((await rows(ground.db, f"SELECT count(*) FROM {table}"))[0][0])


async def test_events_in_the_log_become_people(ground: Ground) -> None:
    await ground.stream.append([record_of(did("Signed Up", user=f"u{n}")) for n in range(500)])

    async def done() -> bool:
        return await counted(ground, "enrolment") == 500

    async with working(workshop(ground.db, ground.stream)):
        await eventually(done)
    assert await counted(ground, "profile") == 500


async def test_a_moment_fires_soon_after_it_is_due_and_not_before(ground: Ground) -> None:
    shop = workshop(ground.db, ground.stream, definitions(SOON))

    async def fired() -> bool:
        return await rows(ground.db, "SELECT step FROM enrolment") == [("hi",)]

    async with working(shop):
        await ground.stream.append([record_of(did("Signed Up"))])
        await eventually(fired)
    ((state,),) = await rows(ground.db, "SELECT state FROM enrolment")
    walked = msgspec.json.decode(state, type=dict[str, Any])
    waited = datetime.fromisoformat(walked["step_at"]) - datetime.fromisoformat(walked["entered_at"])
    assert waited >= timedelta(milliseconds=300)


async def test_a_moment_waits_for_every_record_the_log_took_before_it(ground: Ground) -> None:
    """What is due is not fired while the log is not read up to there."""
    shop = workshop(ground.db, ground.stream, definitions(SOON))
    worker = open_worker(shop, "m1")
    await worker.subscription.start()
    await ground.stream.append([record_of(did("Signed Up"))])
    async with asyncio.timeout(20):
        while not (batch := await worker.subscription.read(10, timedelta(milliseconds=50))).records:
            pass
    await worker.handler.handle(batch)  # committed, and `saved` not said yet: as far as is known, not handled
    worker.moments.page = 10
    home = ground.stream.partition_of("default/u1")
    assert worker.subscription.reached(home) == batch.records[0].at
    await eventually(lambda: _due(ground))
    await worker.moments._look()
    assert await worker.moments._fire_page() == 0
    worker.subscription.saved(batch)

    async def fires() -> bool:
        await worker.subscription.read(10, timedelta(milliseconds=50))
        return await worker.moments._fire_page() == 1

    await eventually(fires)
    await worker.subscription.close()


async def test_a_worker_that_lost_its_partition_commits_nothing(ground: Ground) -> None:
    shop = workshop(ground.db, ground.stream)
    worker = open_worker(shop, "m1")
    await worker.subscription.start()
    await ground.stream.append([record_of(did("Signed Up"))])
    async with asyncio.timeout(20):
        while not (batch := await worker.subscription.read(10, timedelta(milliseconds=50))).records:
            pass
    await rows(ground.db, "UPDATE position SET epoch = epoch + 1 RETURNING 1")
    with pytest.raises(Lost):
        await worker.handler.handle(batch)
    assert await counted(ground, "profile") == 0
    await worker.subscription.close()


async def test_two_workers_and_a_rebalance_do_everything_once(ground: Ground) -> None:
    def events(start: int) -> list[Outgoing]:
        return [record_of(did("Signed Up", user=f"u{n}")) for n in range(start, start + 200)]

    async def all_done() -> bool:
        return await counted(ground, "enrolment") == 600

    async with AsyncExitStack() as first:
        await first.enter_async_context(working(workshop(ground.db, ground.stream), "m1"))
        await ground.stream.append(events(0))
        async with working(workshop(ground.db, ground.stream), "m2"):
            await ground.stream.append(events(200))
            await first.aclose()
            await ground.stream.append(events(400))
            await eventually(all_done)
    assert await counted(ground, "profile") == 600
    assert await counted(ground, "seen_id") == 600


async def test_a_person_under_two_keys_in_two_partitions_stays_one(ground: Ground) -> None:
    """Both keys are handled at once; the identity both claim goes to one of them, and the other starts over."""
    events = []
    for n in range(50):
        events.append(record_of(did("Page Viewed", user=None, anonymous_id=f"a{n}", id=f"1-{n}")))
        events.append(record_of(did("Signed Up", user=f"u{n}", anonymous_id=f"a{n}", id=f"2-{n}")))

    async def done() -> bool:
        return await counted(ground, "seen_id") == 100

    async with working(workshop(ground.db, ground.stream), "m1"), working(workshop(ground.db, ground.stream), "m2"):
        await ground.stream.append(events)
        await eventually(done)
    owners = await rows(
        ground.db,
        "SELECT count(*) FROM identity u JOIN identity a ON a.profile = u.profile AND a.kind = 'anonymous'"
        " AND substr(a.value, 2) = substr(u.value, 2) WHERE u.kind = 'user'",
    )
    assert owners == [(50,)]
    assert await rows(ground.db, "SELECT count(*) FROM profile WHERE merged_into IS NULL") == [(50,)]


async def test_a_record_that_says_nothing_is_set_aside(ground: Ground) -> None:
    await ground.stream.append([Outgoing(Topic.EVENTS, "default/u1", b"{nonsense", "x"), record_of(did("Signed Up"))])

    async def done() -> bool:
        return await counted(ground, "set_aside") == 1 and await counted(ground, "enrolment") == 1

    async with working(workshop(ground.db, ground.stream)):
        await eventually(done)


async def test_data_the_database_refuses_is_found_and_set_aside(ground: Ground) -> None:
    """PostgreSQL takes no NUL: one such id must not stop the others. SQLite takes it."""
    events = [record_of(did("Signed Up", user=f"u{n}")) for n in range(9)]
    await ground.stream.append([*events[:4], record_of(did("Signed Up", user="n\x00l", id="bad")), *events[4:]])
    people = 10 if ground.db.dialect == "sqlite" else 9

    async def done() -> bool:
        return await counted(ground, "enrolment") == people and await counted(ground, "set_aside") == 10 - people

    async with working(workshop(ground.db, ground.stream)):
        await eventually(done)


async def test_too_many_raising_halts_and_says_so(ground: Ground) -> None:
    await ground.stream.append([record_of(did("Boom", user=f"u{n}")) for n in range(40)])
    async with working(workshop(ground.db, ground.stream, definitions(WELCOME), raising("Boom"))) as worker:

        async def halted() -> bool:
            return "Boom is poison" in (worker.why_not_ready() or "")

        await eventually(halted)
    assert await counted(ground, "profile") == 0


async def test_it_is_idle_when_all_is_read_and_nobody_is_due(ground: Ground) -> None:
    await ground.stream.append([record_of(did("Signed Up", user=f"u{n}")) for n in range(50)])
    appended_at = datetime.now(UTC)
    async with working(workshop(ground.db, ground.stream)) as worker:
        await eventually(lambda: worker.idle(appended_at))
        assert await counted(ground, "enrolment") == 50


def test_halves_of_a_batch_follow_one_another() -> None:
    at = datetime.now(UTC)
    records = [Record(Topic.EVENTS, n % 2, n, at, "k", b"") for n in range(6)]
    first, second = halves(Batch(records, (Move(0, 0, 5, 1), Move(1, 1, 6, 1), Move(2, 9, 9, 1))))
    assert [len(half.records) for half in (first, second)] == [3, 3]
    assert first.moves == (Move(0, 0, 3, 1), Move(1, 1, 2, 1), Move(2, 9, 9, 1))
    assert second.moves == (Move(0, 3, 5, 1), Move(1, 2, 6, 1), Move(2, 9, 9, 1))


async def _due(ground: Ground) -> bool:
    async with ground.db.transaction() as conn:
        now = await ground.db.now(conn)
    ((at,),) = await rows(ground.db, "SELECT wake_at FROM profile")
    return (datetime.fromisoformat(at) if isinstance(at, str) else at) < now
