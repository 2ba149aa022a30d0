"""What races are run on: the ground of the contract suite, and a second process's hands on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dangol.db import open_db
from dangol.stream import open_stream
from tests.contract.conftest import Ground, ground, now, settings

__all__ = ["another", "ground", "settings"]


@asynccontextmanager
async def another(ground: Ground) -> AsyncIterator[Ground]:
    """The ground as a second process has it: connections of its own. One process alone may have a SQLite file."""
    if ground.db.dialect == "sqlite":
        yield ground
        return
    db = await open_db(ground.settings.db, now)
    stream = await open_stream(ground.settings, db, now)
    try:
        yield Ground(ground.settings, db, stream)
    finally:
        await stream.close()
        await db.close()
