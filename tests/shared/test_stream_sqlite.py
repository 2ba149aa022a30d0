"""The embedded log alone: what it prunes, what it does on a full disk, that it asks nothing while nothing happens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from dangol.consume import Subscription
from dangol.db import Db, open_db
from dangol.errors import Unavailable
from dangol.migrate import migrate
from dangol.stream_sqlite import SqliteStream, open_sqlite_stream
from dangol.tables import Logged
from dangol.topics import Topic
from tests.contract.conftest import said

SOON = timedelta(milliseconds=50)


class Watch:
    """A clock you wind."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The moment it shows."""
        return self.at


@pytest.fixture
def watch() -> Watch:
    """The clock of the test."""
    return Watch()


@pytest.fixture
async def db(tmp_path: Path, watch: Watch) -> AsyncIterator[Db]:
    """A database on that clock."""
    opened = await open_db(f"sqlite:///{tmp_path}/dangol.db", watch)
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def stream(db: Db, watch: Watch) -> AsyncIterator[SqliteStream]:
    """Its log."""
    opened = await open_sqlite_stream(db, watch)
    yield opened
    await opened.close()


async def kept(db: Db) -> list[str]:
    """The values the log still has."""
    async with db.transaction() as conn:
        rows = await conn.execute(select(col(Logged.value)).order_by(col(Logged.id)))
        return [value.decode() for value in rows.scalars()]


async def test_what_is_old_and_behind_every_group_is_pruned(db: Db, stream: SqliteStream, watch: Watch) -> None:
    await stream.append([said("k", str(n)) for n in range(1200)])
    subscription = Subscription(stream, db, Topic.EVENTS, "g", "m")
    await subscription.start()
    batch = await subscription.read(1100, SOON)
    async with db.transaction() as conn:
        await subscription.save(conn, batch)
    watch.at += timedelta(days=8)
    await stream.append([said("k", "young")])
    assert await stream.prune(watch.at - timedelta(days=7)) == 1100
    assert await kept(db) == [*(str(n) for n in range(1100, 1200)), "young"]
    await subscription.close()


async def test_numbers_of_pruned_records_are_not_given_again(db: Db, stream: SqliteStream, watch: Watch) -> None:
    await stream.append([said("k", "1")])
    await stream.prune(watch.at + timedelta(seconds=1))
    again = await open_sqlite_stream(db, watch)
    await again.append([said("k", "2")])
    await again.close()
    async with db.transaction() as conn:
        assert (await conn.execute(select(func.max(col(Logged.id))))).scalar_one() == 2


async def test_moments_do_not_fall_when_the_clock_does(db: Db, stream: SqliteStream, watch: Watch) -> None:
    await stream.append([said("k", "1")])
    watch.at -= timedelta(hours=1)
    await stream.append([said("k", "2")])
    async with db.transaction() as conn:
        first, second = (await conn.execute(select(col(Logged.at)).order_by(col(Logged.id)))).scalars()
    assert second >= first


async def test_an_append_in_an_open_transaction_is_not_reached_over(db: Db, stream: SqliteStream, watch: Watch) -> None:
    """A record is stamped before its commit: until then no reader may claim to have passed its moment."""
    subscription = Subscription(stream, db, Topic.EVENTS, "g", "m")
    await subscription.start()
    async with db.transaction() as conn:
        await stream.append_within(conn, [said("k", "1")])
        stamped_at = watch.at
        watch.at += timedelta(seconds=1)
        reached = subscription.reached(0)
        assert reached is not None
        assert reached <= stamped_at
    assert (await subscription.read(10, SOON)).records[0].at == stamped_at
    await subscription.close()


async def test_a_full_disk_is_told_and_got_over_case_12(db: Db, stream: SqliteStream) -> None:
    """Caught: what SQLite raises for a full disk called a bug."""
    async with db.transaction() as conn:
        pages = (await conn.execute(text("PRAGMA page_count"))).scalar_one()
        await conn.execute(text(f"PRAGMA max_page_count = {pages + 5}"))
    taken = 0
    with pytest.raises(Unavailable, match="full"):
        for n in range(100):
            await stream.append([said("k", f"{n} " + "x" * 2000)])
            taken += 1
    assert taken
    async with db.transaction() as conn:
        await conn.execute(text("PRAGMA max_page_count = 1000000"))
    await stream.append([said("k", "after")])
    values = await kept(db)
    assert [value.split(" ")[0] for value in values] == [*(str(n) for n in range(taken)), "after"]


async def test_while_nothing_happens_nothing_is_asked(db: Db, stream: SqliteStream) -> None:
    commits = 0

    def count() -> None:
        nonlocal commits
        commits += 1

    subscription = Subscription(stream, db, Topic.EVENTS, "g", "m")
    await subscription.start()
    await subscription.read(10, SOON)
    db.after_commit(count)
    for _ in range(3):
        await subscription.read(10, SOON)
    assert commits == 0
    await subscription.close()


async def test_writers_share_a_commit(db: Db, stream: SqliteStream) -> None:
    commits = 0

    def count() -> None:
        nonlocal commits
        commits += 1

    db.after_commit(count)
    await asyncio.gather(*(stream.append([said("k", str(n))]) for n in range(500)))
    assert commits <= 3


async def test_a_second_reader_of_a_group_takes_the_partition(db: Db, stream: SqliteStream) -> None:
    first = Subscription(stream, db, Topic.EVENTS, "g", "m1")
    second = Subscription(stream, db, Topic.EVENTS, "g", "m2")
    await first.start()
    await second.start()
    assert (first.held(), second.held()) == (frozenset(), frozenset({0}))
    await stream.append([said("k", "1")])
    assert not (await first.read(10, SOON)).records
    assert len((await second.read(10, SOON)).records) == 1
    await first.close()
    await second.close()


async def test_a_commit_nobody_heard_of_is_read_all_the_same(stream: SqliteStream, db: Db, watch: Watch) -> None:
    """Found by the simulation: the disk said no, and had it; the records lay there until the next came.

    Till then no moment may pass them: caught, when `reached` answered with the clock's.
    """
    reader = stream.reader(Topic.EVENTS, "group", "member", _seek_nothing)
    await reader.start()
    reader.seek(0, 0)
    async with db.transaction() as conn:
        await stream.append_within(conn, [said("u1", "a")])
        db._then.clear()  # the answer is lost
    assert reader.reached(0) is None
    assert [record.key for record in await reader.read(10, SOON)] == ["u1"]
    watch.at += timedelta(hours=1)
    assert reader.reached(0) == watch.at


async def _seek_nothing(_partitions: object) -> None:
    return None
