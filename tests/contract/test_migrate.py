"""The schema: revisions lead from nothing to what the code has, on both databases, whoever else migrates too."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from dangol.db import Db, open_db
from dangol.migrate import configuration, load_tables, migrate
from dangol.outbox import unpacked
from tests.contract.conftest import now

PUT = """INSERT INTO unsent (service, home, topic, key, name, value)
    VALUES (:service, :home, :topic, :key, :name, :value)"""


@pytest.fixture
async def empty(db_url: str) -> AsyncIterator[Db]:
    """An open database without a table."""
    opened = await open_db(db_url, now)
    yield opened
    await opened.close()


def differences(connection: Connection) -> list[object]:
    """What a new revision would have to do."""
    load_tables()
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, SQLModel.metadata))


def tables(connection: Connection) -> set[str]:
    """The names of the tables there are."""
    return set(inspect(connection).get_table_names())


async def test_the_revisions_lead_to_the_code(empty: Db) -> None:
    await migrate(empty)
    async with empty.transaction() as conn:
        assert await conn.run_sync(differences) == []
        assert await conn.run_sync(tables) == {*SQLModel.metadata.tables, "alembic_version"}


async def test_migrating_again_changes_nothing(empty: Db) -> None:
    await migrate(empty)
    await migrate(empty)


async def test_several_may_migrate_at_once(empty: Db) -> None:
    await asyncio.wait_for(asyncio.gather(*(migrate(empty) for _ in range(4))), 60)
    async with empty.transaction() as conn:
        assert await conn.run_sync(differences) == []


async def test_every_revision_can_be_taken_back(empty: Db) -> None:
    await migrate(empty)
    async with empty.transaction() as conn:
        await conn.run_sync(lambda connection: command.downgrade(configuration(connection), "base"))
        assert await conn.run_sync(tables) <= {"alembic_version", "sqlite_sequence"}
    await migrate(empty)


async def test_a_newer_schema_is_left_alone(empty: Db) -> None:
    """An older release starts again during a rolling upgrade: it neither fails nor takes anything back."""
    await migrate(empty)
    async with empty.transaction() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await migrate(empty)
    async with empty.transaction() as conn:
        assert (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == "9999"


async def test_what_waits_to_be_published_outlives_a_new_outbox(empty: Db) -> None:
    """Caught: a revision that made the table anew and put nothing back."""
    waiting = "SELECT id, topic, key, name, value FROM unsent ORDER BY id"
    async with empty.transaction() as conn:
        await conn.run_sync(lambda connection: command.upgrade(configuration(connection), "0005"))
        for n in range(3):
            one = {"topic": "messages", "key": f"k{n}", "name": f"n{n}", "value": b"\x00v%d" % n}
            await conn.execute(text(PUT), {"service": "journey", "home": n, **one})
        before = [tuple(row[1:]) for row in await conn.execute(text(waiting))]
        await conn.run_sync(lambda connection: command.upgrade(configuration(connection), "0006"))
        bundles = [row[0] for row in await conn.execute(text("SELECT records FROM unsent ORDER BY id"))]
        found = [(one.topic, one.key, one.name, one.value) for bundle in bundles for one in unpacked(bundle)]
        assert found == [(topic, key, name, bytes(value)) for topic, key, name, value in before]
        await conn.run_sync(lambda connection: command.downgrade(configuration(connection), "0005"))
        assert [tuple(row[1:]) for row in await conn.execute(text(waiting))] == before
    await migrate(empty)


def test_the_revisions_are_one_line() -> None:
    script = ScriptDirectory.from_config(configuration())
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    assert len(script.get_heads()) == 1
