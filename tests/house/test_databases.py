"""The databases the suite hands out: one a test, on both, with the same tables."""

from datetime import UTC, datetime

from sqlalchemy import inspect
from sqlmodel import SQLModel

from dangol.db import open_db
from dangol.migrate import load_tables


async def tables_of(url: str) -> set[str]:
    db = await open_db(url, lambda: datetime.now(UTC))
    try:
        async with db.transaction() as conn:
            return set(await conn.run_sync(lambda sync: inspect(sync).get_table_names()))
    finally:
        await db.close()


async def test_an_empty_database_has_no_tables(db_url: str) -> None:
    assert await tables_of(db_url) == set()


async def test_a_migrated_database_has_every_table(migrated_url: str) -> None:
    load_tables()
    assert set(SQLModel.metadata.tables) <= await tables_of(migrated_url)
