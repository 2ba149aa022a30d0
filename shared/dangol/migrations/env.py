"""Alembic's way in: the tables as the code has them, and the connection `dangol.migrate` hands over.

A new revision: `alembic revision --autogenerate -m "what it is for"` with `DANGOL_DB` at the newest revision.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

from dangol.db import UtcDateTime, open_db
from dangol.migrate import load_tables
from dangol.settings import read_settings


def rendered(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """How our own types are written in a revision."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if kind == "type" and type(item).__name__ == "AutoString":
        return "sa.String()"
    return False


def run(connection: Connection) -> None:
    """Do what alembic was asked to on this connection, in the transaction it is in."""
    load_tables()
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=rendered,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on_settings() -> None:
    """From alembic's own command line: on `DANGOL_DB`."""
    db = await open_db(read_settings().db, lambda: datetime.now(UTC))
    async with db.transaction() as conn:
        await conn.run_sync(run)
    await db.close()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_on_settings())
else:
    run(given)
