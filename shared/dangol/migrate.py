"""The schema: every service's tables, brought to this version of the code."""

import importlib
from datetime import UTC, datetime

from sqlmodel import SQLModel

from dangol.db import Db, open_db
from dangol.settings import read_settings

TABLE_MODULES = (
    "dangol.tables",
    "dangol_journey.tables",
    "dangol_dispatcher.tables",
    "dangol_insights.tables",
)


async def migrate(db: Db) -> None:
    """Bring an open database's schema up to date; safe to call from several processes at once."""
    load_tables()
    async with db.transaction() as conn:
        await conn.run_sync(SQLModel.metadata.create_all)


async def from_settings() -> None:
    """Bring the schema of `DANGOL_DB` up to date."""
    db = await open_db(read_settings().db, lambda: datetime.now(UTC))
    try:
        await migrate(db)
    finally:
        await db.close()


def load_tables() -> None:
    """Import every table module there is; a service that is not there has no tables."""
    for name in TABLE_MODULES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (error.name and name.startswith(error.name)):
                raise
