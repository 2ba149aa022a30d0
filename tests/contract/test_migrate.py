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
from tests.contract.conftest import now


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


def test_the_revisions_are_one_line() -> None:
    script = ScriptDirectory.from_config(configuration())
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    assert len(script.get_heads()) == 1
