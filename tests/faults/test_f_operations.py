"""The database in trouble, processes that are ended and upgraded, and what is brought back from a backup."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db, in_transaction, open_db
from dangol.errors import Unavailable
from dangol.health import Health
from dangol.keys import KeyKind, create_key
from dangol.migrate import configuration, migrate
from dangol.outbox import Outbox
from dangol.settings import Settings, read_settings
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_dispatcher.main import open_service as open_dispatcher
from tests.contract.conftest import Ground, now, open_ground, said
from tests.contract.test_journey_worker import counted
from tests.contract.test_stream import read_until, reading
from tests.faults.conftest import relayed
from tests.support.databases import postgres_database
from tests.support.ingesting import house_of, ingest_on
from tests.support.posts import call
from tests.support.product import free_port
from tests.support.wire import wire
from tests.support.working import eventually, working
from tests.support.workshops import did, record_of, rows, workshop


@pytest.fixture
def separate(kafka_url: str, postgres_server: str, migrated_postgres: str, topic_prefix: str) -> Iterator[Settings]:
    """Kafka and PostgreSQL."""
    with postgres_database(postgres_server, migrated_postgres) as url:
        yield read_settings({}, log=kafka_url, db=url, topic_prefix=topic_prefix, partitions=2)


async def enrolled(ground: Ground, people: int) -> None:
    """Wait until so many have entered."""

    async def all_in() -> bool:
        return await counted(ground, "enrolment") == people

    await eventually(all_in, 60)


def sign_ups(first: int, after: int) -> list[Outgoing]:
    """One of each person."""
    return [record_of(did("Signed Up", user=f"u{n}")) for n in range(first, after)]


async def test_case_95_the_database_goes_away_and_the_answer_to_a_commit_is_lost(separate: Settings) -> None:
    """Caught: a batch whose commit nobody heard of done again from where it was."""
    at = urlsplit(separate.db)
    listens = free_port()
    ground = await open_ground(separate)
    try:
        async with wire(listens, at.hostname or "", at.port or 0) as to_database:
            through = await open_db(separate.db.replace(f":{at.port}/", f":{listens}/"), now, name="wired")
            async with working(workshop(through, ground.stream)):
                for n in range(0, 200, 40):
                    to_database.lose_answer_to(b"COMMIT")
                    await ground.stream.append(sign_ups(n, n + 20))
                    await enrolled(ground, n + 20)
                    await _failed_over(ground)
                    await ground.stream.append(sign_ups(n + 20, n + 40))
                    await enrolled(ground, n + 40)
                await relayed(ground)
            await through.close()
            assert to_database.lost == 5
        assert await counted(ground, "seen_id") == await counted(ground, "profile") == 200
        async with reading(ground, Topic.MESSAGES) as reader:
            found = {one.value for one in await read_until(reader, 400) if b'"template"' in one.value}
        assert len(found) == 200
    finally:
        await ground.close()


async def _failed_over(ground: Ground) -> None:
    """Every connection of the worker is gone, in whatever it was."""
    await rows(ground.db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wired'")


async def test_case_96_transactions_that_collide(separate: Settings) -> None:
    """Real deadlocks and serialization failures. Caught: `in_transaction` that tries once."""
    db = await open_db(separate.db, now, pool=16)
    async with db.transaction() as conn:
        await conn.execute(text("CREATE TABLE tally (id int PRIMARY KEY, n int NOT NULL)"))
        await conn.execute(text("INSERT INTO tally VALUES (1, 0), (2, 0)"))
    tries = 0

    def adding(order: Sequence[int], isolation: str) -> Any:
        async def work(conn: AsyncConnection) -> None:
            nonlocal tries
            tries += 1
            await conn.execute(text(f"SET TRANSACTION ISOLATION LEVEL {isolation}"))
            await conn.execute(text("SET LOCAL deadlock_timeout = '5ms'"))
            for id in order:
                n = (await conn.execute(text(f"SELECT n FROM tally WHERE id = {id} FOR UPDATE"))).scalar_one()
                await conn.execute(text(f"UPDATE tally SET n = {n + 1} WHERE id = {id}"))

        return in_transaction(db, work)

    for isolation in ("READ COMMITTED", "SERIALIZABLE"):
        await asyncio.gather(*(adding((1, 2) if n % 2 else (2, 1), isolation) for n in range(6)))
    found = await rows(db, "SELECT n FROM tally ORDER BY id")
    await db.close()
    assert found == [(12,), (12,)]
    assert 12 < tries <= 12 * 8


async def test_case_97_every_connection_is_busy_with_something_slow(separate: Settings) -> None:
    """Ingest knows its keys, and asks the database nothing. Caught: a key looked up at every post."""
    ground = await open_ground(separate)
    busy = await open_db(separate.db, now, pool=2)
    try:
        async with ground.db.transaction() as conn:
            token, _ = await create_key(ground.db, conn, "default", KeyKind.SERVER)
        headers = {"Authorization": f"Bearer {token}"}
        async with ingest_on(separate, busy, ground.stream) as client:
            assert (await client.post("/v1/track", json=call(), headers=headers)).status_code == 200
            slow = [asyncio.create_task(_slow(busy)) for _ in range(2)]
            await eventually(lambda: _two_asleep(ground))
            async with asyncio.timeout(4):
                for n in range(20):
                    answer = await client.post("/v1/track", json=call(messageId=f"m{n}"), headers=headers)
                    assert answer.status_code == 200
                assert (await Health([], ground.stream, asyncio.Event()).live()).status_code == 200
                assert (await Health([], ground.stream, asyncio.Event()).ready()).status_code == 200
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
    finally:
        await busy.close()
        await ground.close()


async def _slow(db: Db) -> None:
    async with db.transaction() as conn:
        await conn.execute(text("SELECT pg_sleep(8)"))


async def _two_asleep(ground: Ground) -> bool:
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    return await rows(ground.db, asleep) == [(2,)]


async def test_case_104_a_migration_waits_for_no_lock_longer_than_two_seconds(separate: Settings) -> None:
    """Somebody reads the table for long, others write it. Caught: a migration without its `lock_timeout`."""
    db = await open_db(separate.db, now)
    async with db.transaction() as conn:
        await conn.run_sync(lambda connection: command.downgrade(configuration(connection), "0004"))
    reads, done = asyncio.Event(), asyncio.Event()
    reading_long = asyncio.create_task(_read_for_long(db, reads, done))
    await reads.wait()
    migrating = asyncio.create_task(migrate(db))
    await eventually(lambda: _waits_for_a_lock(db))
    began = time.monotonic()
    await rows(db, "UPDATE message SET reason = '' RETURNING 1")  # stands behind the migration
    assert time.monotonic() - began < 3
    with pytest.raises(Unavailable):
        await migrating
    done.set()
    await reading_long
    await migrate(db)
    assert await rows(db, "SELECT cancelled FROM message") == []
    await db.close()


async def _read_for_long(db: Db, reads: asyncio.Event, done: asyncio.Event) -> None:
    async with db.transaction() as conn:
        while not done.is_set():
            await conn.execute(text("SELECT count(*) FROM message"))
            reads.set()
            await conn.execute(text("SELECT pg_sleep(0.1)"))


async def _waits_for_a_lock(db: Db) -> bool:
    return await rows(db, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL") == [(True,)]


async def test_case_103_and_case_105_the_schema_of_the_next_release_under_this_one(ground: Ground) -> None:
    """There is no next release yet: one is made up, that adds a column to every table and a table. It comes while a
    worker of this one is at work, which goes on, and is started again. People of before it come again after it.

    Caught: a statement that names no columns, to write and to read; a newer schema refused at the start.
    """
    async with working(workshop(ground.db, ground.stream)):
        await ground.stream.append(sign_ups(0, 50))
        await enrolled(ground, 50)
        async with ground.db.transaction() as conn:
            await conn.run_sync(_expanded)
        await ground.stream.append(sign_ups(0, 100))
        await enrolled(ground, 100)
    await migrate(ground.db)  # as this release does at its start
    async with working(workshop(ground.db, ground.stream), "m2"):
        await ground.stream.append(sign_ups(50, 150))
        await enrolled(ground, 150)
    assert await counted(ground, "set_aside") == 0
    assert await rows(ground.db, "SELECT version_num FROM alembic_version") == [("9999",)]


def _expanded(connection: Connection) -> None:
    for table in inspect(connection).get_table_names():
        if table not in ("alembic_version", "sqlite_sequence"):
            connection.execute(text(f"ALTER TABLE \"{table}\" ADD COLUMN next_release VARCHAR NOT NULL DEFAULT 'x'"))
    connection.execute(text("CREATE TABLE next_release (id INTEGER PRIMARY KEY)"))
    connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))


class Dying:
    """A log that takes what it is given, and whose process then ends before it can say so."""

    taken = 0

    def __init__(self, ground: Ground) -> None:
        self.partitions, self.append_within = ground.stream.partitions, ground.stream.append_within
        self.partition_of, self._append = ground.stream.partition_of, ground.stream.append

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Take it."""
        await self._append(outgoing)
        self.taken = len(outgoing)
        raise KeyboardInterrupt


async def test_case_106_the_relay_stands_still_dies_and_drains(separate: Settings) -> None:
    """2,500 rows wait. It dies with the first page published and still there. Caught: an outbox
    relayed newest first."""
    ground = await open_ground(separate)
    try:
        outbox = Outbox(ground.db, ground.stream, "journey")
        for n in range(25):
            waiting = [said(f"k{m % 7}", str(n * 100 + m), Topic.MESSAGES) for m in range(100)]
            async with ground.db.transaction() as conn:
                await outbox.put(conn, waiting)
        dying = Dying(ground)
        with pytest.raises(KeyboardInterrupt):
            await Outbox(ground.db, dying, "journey").relay(range(2))  # type: ignore[arg-type] # as much as it needs
        assert await Outbox(ground.db, ground.stream, "journey").relay(range(2)) == 2500
        async with reading(ground, Topic.MESSAGES) as reader:
            found = await read_until(reader, 2500 + dying.taken)
    finally:
        await ground.close()
    by_key: dict[str, list[int]] = {}
    for record in found:
        by_key.setdefault(record.key, []).append(int(record.value))
    for values in by_key.values():
        once = list(dict.fromkeys(values))
        assert once == sorted(once)
        assert all(values.count(value) <= 2 for value in values)
    assert sum(len(set(values)) for values in by_key.values()) == 2500


async def test_case_106_what_was_relayed_twice_is_asked_once(separate: Settings) -> None:
    """Caught: a message stored under a name of its own each time."""
    ground = await open_ground(separate)
    try:
        async with working(workshop(ground.db, ground.stream)):
            await ground.stream.append(sign_ups(0, 20))
            await enrolled(ground, 20)
            await relayed(ground)
            async with reading(ground, Topic.MESSAGES) as reader:
                found = await read_until(reader, 40)
        again = [Outgoing(Topic.MESSAGES, one.key, one.value, f"{one.partition}/{one.offset}") for one in found]
        await ground.stream.append(again)
        async with open_dispatcher(house_of(separate, ground.db, ground.stream)) as dispatcher:
            stop = asyncio.Event()
            running_on = asyncio.create_task(dispatcher.run(stop))

            async def all_read() -> bool:
                return await counted(ground, "message") > 0 and await _read_to_the_end(ground)

            await eventually(all_read)
            stop.set()
            await running_on
        assert await counted(ground, "message") == 20
    finally:
        await ground.close()


async def _read_to_the_end(ground: Ground) -> bool:
    """80 records were said, and the group that reads them has saved 80."""
    saved = "SELECT coalesce(sum(position), 0) FROM position WHERE topic = 'messages'"
    return bool((await rows(ground.db, saved))[0][0] >= 80)
