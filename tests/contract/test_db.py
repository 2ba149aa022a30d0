"""The database: a transaction is whole or nothing; one clock; one process a file; what can't be done now says so."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol.db import Db, in_transaction, moment, open_db
from dangol.db_errors import Collided
from dangol.errors import Unavailable
from dangol.tables import ApiKey, Publication
from tests.contract.conftest import now
from tests.support.transactions import only_the_database_awaited


async def publish(db: Db, number: int, at: datetime | None = None) -> None:
    """A row."""
    async with db.transaction() as conn:
        row = {"number": number, "workspace": "w", "at": at or now(), "by": "me"}
        await conn.execute(insert(Publication), row)


async def count(db: Db) -> int:
    """How many there are."""
    async with db.transaction() as conn:
        return int((await conn.execute(select(func.count()).select_from(Publication))).scalar_one())


async def test_leaving_commits_and_a_raise_rolls_back(db: Db) -> None:
    await publish(db, 1)
    with pytest.raises(KeyError):
        async with db.transaction() as conn:
            row = {"number": 2, "workspace": "w", "at": now(), "by": "me"}
            await conn.execute(insert(Publication), row)
            raise KeyError
    assert await count(db) == 1


async def test_a_commit_is_told_and_a_rollback_is_not(db: Db) -> None:
    told: list[str] = []
    db.after_commit(lambda: told.append("always"))
    async with db.transaction() as conn:
        db.then(conn, lambda: told.append("this"))
        assert told == []
    with pytest.raises(KeyError):
        async with db.transaction() as conn:
            db.then(conn, lambda: told.append("never"))
            raise KeyError
    async with db.transaction():
        pass
    assert told == ["this", "always", "always"]


async def test_moments_keep_their_instant_and_their_order(db: Db) -> None:
    seoul = timezone(timedelta(hours=9))
    moments = [
        datetime(2026, 3, 1, 9, 0, 0, 5, tzinfo=seoul),
        datetime(2026, 3, 1, 0, 0, 0, 6, tzinfo=UTC),
        datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC),
    ]
    for number, at in enumerate(moments):
        await publish(db, number, at)
    async with db.transaction() as conn:
        ordered = (await conn.execute(select(col(Publication.at)).order_by(col(Publication.at)))).scalars().all()
        later = select(func.count()).select_from(Publication).where(col(Publication.at) > moments[0])
        assert (await conn.execute(later)).scalar_one() == 2
    assert ordered == moments
    assert all(at.utcoffset() == timedelta(0) for at in ordered)


async def test_the_text_of_a_moment_is_read_by_both(db: Db) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 120, tzinfo=timezone(timedelta(hours=9)))
    assert moment(at) == "2026-03-01T03:00:00.000120+00:00"
    await publish(db, 1, at)
    compared = "at = :at" if db.dialect == "sqlite" else "at = CAST(CAST(:at AS text) AS timestamptz)"
    async with db.transaction() as conn:
        found = await conn.execute(text(f"SELECT count(*) FROM publication WHERE {compared}"), {"at": moment(at)})
        assert found.scalar_one() == 1


async def test_a_moment_without_a_zone_is_refused(db: Db) -> None:
    with pytest.raises(Exception, match="without a zone"):
        await publish(db, 1, datetime(2026, 3, 1))  # noqa: DTZ001 - that is what is refused


async def test_the_database_has_a_clock(db: Db) -> None:
    async with db.transaction() as conn:
        assert abs(await db.now(conn) - now()) < timedelta(seconds=10)


async def test_one_transaction_a_task(db: Db) -> None:
    assert not db.inside()
    async with db.transaction():
        assert db.inside()
        with pytest.raises(RuntimeError, match="already holds"):
            async with db.transaction():
                pass
    assert not db.inside()


async def test_who_waits_is_not_overtaken(db: Db) -> None:
    """On SQLite a busy loop must not keep the connection to itself."""
    rounds = 0
    served = asyncio.Event()

    async def greedy() -> None:
        nonlocal rounds
        while not served.is_set():
            async with db.transaction() as conn:
                await conn.execute(select(1))
            rounds += 1

    async def modest() -> None:
        await count(db)
        served.set()

    await asyncio.wait_for(asyncio.gather(greedy(), modest()), 10)
    assert rounds < 20 or db.dialect == "postgresql"


async def test_a_collision_is_repeated(db: Db) -> None:
    tried = 0

    async def work(_conn: object) -> str:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise Collided("two transactions collided")
        return "done"

    assert await in_transaction(db, work) == "done"
    assert tried == 3


async def test_a_real_deadlock_is_resolved(db: Db) -> None:
    await publish(db, 1)
    await publish(db, 2)
    meet = asyncio.Barrier(2)
    tries: list[int] = []

    async def cross(first: int, second: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            tries.append(first)
            by = f"{first}"
            await conn.execute(update(Publication).where(col(Publication.number) == first).values(by=by))
            if db.dialect == "postgresql" and len(tries) <= 2:
                await meet.wait()
            await conn.execute(update(Publication).where(col(Publication.number) == second).values(by=by))

        await in_transaction(db, work)

    await asyncio.wait_for(asyncio.gather(cross(1, 2), cross(2, 1)), 20)
    assert len(tries) == (3 if db.dialect == "postgresql" else 2)


async def test_a_bug_is_not_called_unavailable(db: Db) -> None:
    with pytest.raises(DBAPIError):
        async with db.transaction() as conn:
            await conn.execute(text("SELECT nothing FROM nowhere"))
    assert await count(db) == 0


async def test_a_cancelled_transaction_leaves_nothing(db: Db) -> None:
    began = asyncio.Event()

    async def half() -> None:
        async with db.transaction() as conn:
            row = {"number": 1, "workspace": "w", "at": now(), "by": "me"}
            await conn.execute(insert(Publication), row)
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(half())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(db) == 0


async def test_an_upsert_in_its_dialect(db: Db) -> None:
    row = {"id": "k", "workspace": "w", "kind": "server", "shown": "s", "hash": "h", "created_at": now()}
    for label in ("one", "two"):
        async with db.transaction() as conn:
            putting = db.upsert(ApiKey).values({**row, "scopes": "", "label": label})
            await conn.execute(putting.on_conflict_do_update(index_elements=["id"], set_={"label": label}))
    async with db.transaction() as conn:
        assert (await conn.execute(select(col(ApiKey.label)))).scalars().all() == ["two"]


async def test_only_the_database_is_awaited_inside(db: Db) -> None:
    """The guard itself: it lets the database through, and names who waits for anything else."""
    with only_the_database_awaited(db):
        await publish(db, 1)
        assert await count(db) == 1
    with pytest.raises(AssertionError, match="test_only_the_database"), only_the_database_awaited(db):
        async with db.transaction():
            await asyncio.sleep(0.01)


# SQLite alone

OPENS = """
import asyncio, sys, time
from datetime import datetime, UTC
from dangol.db import open_db
from dangol.errors import Unavailable
async def main():
    began = time.monotonic()
    try:
        db = await open_db(sys.argv[1], lambda: datetime.now(UTC))
        print("opened"); await db.close()
    except Unavailable as error:
        print(error, round(time.monotonic() - began, 1))
asyncio.run(main())
"""


def opened_elsewhere(url: str) -> str:
    """What another process says about opening it."""
    return subprocess.run([sys.executable, "-c", OPENS, url], capture_output=True, text=True, check=True).stdout


async def test_a_second_process_is_refused_by_name_case_100(tmp_path: Path) -> None:
    """Caught: a file without its lock."""
    url = f"sqlite:///{tmp_path}/dangol.db"
    db = await open_db(url, now)
    said, waited = opened_elsewhere(url).rsplit(" ", 1)
    assert f"in use by process {os.getpid()}" in said
    assert float(waited) <= 2
    await db.close()
    assert opened_elsewhere(url) == "opened\n"


def kill_itself(url: str) -> int:
    """How a process ended that committed and was killed."""
    dies = OPENS.replace(
        'print("opened"); await db.close()',
        "from dangol.migrate import migrate; await migrate(db)\n"
        "        from dangol.keys import create_key, KeyKind\n"
        '        async with db.transaction() as conn: await create_key(db, conn, "w", KeyKind.SERVER)\n'
        "        import os; os.kill(os.getpid(), 9)",
    )
    return subprocess.run([sys.executable, "-c", dies, url], check=False).returncode


async def test_a_killed_process_leaves_no_lock_and_all_it_committed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/dangol.db"
    assert kill_itself(url) == -9
    db = await open_db(url, now)
    async with db.transaction() as conn:
        assert (await conn.execute(select(func.count()).select_from(ApiKey))).scalar_one() == 1
    await db.close()


async def test_the_pragmas_that_carry_the_promise(tmp_path: Path) -> None:
    db = await open_db(f"sqlite:///{tmp_path}/dangol.db", now)
    async with db.transaction() as conn:
        found = {
            name: (await conn.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    await db.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


# PostgreSQL alone


async def test_a_locked_row_is_not_waited_for_longer_than_five_seconds(postgres_url: str) -> None:
    db = await open_db(postgres_url, now)
    async with db.transaction() as conn:
        await conn.execute(text("CREATE TABLE row_ (id int)"))
        await conn.execute(text("INSERT INTO row_ VALUES (1)"))
    held, let_go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with db.transaction() as conn:
            await conn.execute(text("UPDATE row_ SET id = 1"))
            held.set()
            while not let_go.is_set():
                await conn.execute(text("SELECT pg_sleep(0.1)"))

    holding = asyncio.create_task(hold())
    await held.wait()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        async with db.transaction() as conn:
            await conn.execute(text("UPDATE row_ SET id = 2"))
    assert 4 < time.monotonic() - began < 8
    let_go.set()
    await holding
    await db.close()


async def test_a_lost_connection_is_unavailable_and_then_forgotten(postgres_url: str) -> None:
    db = await open_db(postgres_url, now)
    with pytest.raises(Unavailable):
        async with db.transaction() as conn:
            pid = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with asyncio.timeout(10):
                await asyncio.create_task(_terminate(db, pid))
            await conn.execute(text("SELECT 1"))
    async with db.transaction() as conn:
        assert (await conn.execute(text("SELECT 1"))).scalar_one() == 1
    await db.close()


async def _terminate(db: Db, pid: int) -> None:
    async with db.transaction() as conn:
        await conn.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": pid})


async def test_nobody_there_is_unavailable() -> None:
    db = await open_db("postgresql://nobody@127.0.0.1:1/none", now)
    with pytest.raises(Unavailable):
        async with db.transaction():
            pass
    await db.close()


async def test_the_settings_that_carry_the_promise(postgres_url: str) -> None:
    db = await open_db(postgres_url, now, name="journey")
    names = (
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "plan_cache_mode",
        "transaction_isolation",
        "application_name",
    )
    async with db.transaction() as conn:
        found = [(await conn.execute(text(f"SHOW {name}"))).scalar_one() for name in names]
    await db.close()
    assert found == ["5s", "5s", "force_custom_plan", "read committed", "journey"]


async def test_only_a_durable_commit_waits_for_the_disk(db: Db) -> None:
    if db.dialect != "sqlite":
        pytest.skip("on PostgreSQL every commit does")
    levels = []
    for durable in (True, False, True):
        async with db.transaction(durable=durable) as conn:
            levels.append((await conn.execute(text("PRAGMA synchronous"))).scalar_one())
    async with db.transaction() as conn:
        levels.append((await conn.execute(text("PRAGMA synchronous"))).scalar_one())
    assert levels == [2, 1, 2, 2]  # caught: the level left as the transaction before had it
