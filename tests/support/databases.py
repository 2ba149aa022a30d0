"""Databases for tests: empty, or migrated once and copied as often as wanted."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dangol.db import open_db
from dangol.migrate import migrate
from tests.support import postgres
from tests.support.server import quietly


def sqlite_url(place: Path) -> str:
    """The URL of the SQLite database in a folder."""
    return f"sqlite:///{place}/dangol.db"


def migrated(url: str) -> str:
    """The same URL, its database now with every table. Blocks: not for use on a running loop."""
    quietly(_migrate(url))
    return url


@contextmanager
def postgres_database(server: str, like: str | None = None) -> Iterator[str]:
    """A database on `server` while the block lasts; a copy of the one whose URL is `like`, else empty."""
    name = f"t{uuid.uuid4().hex}"
    template = like.rsplit("/", 1)[1] if like else None
    yield postgres.create_database(server, name, template)
    postgres.drop_database(server, name)


def sqlite_copy(like: Path, place: Path) -> str:
    """A copy, in the folder `place`, of the database in the folder `like`; its URL."""
    shutil.copy2(like / "dangol.db", place / "dangol.db")
    return sqlite_url(place)


async def _migrate(url: str) -> None:
    db = await open_db(url, lambda: datetime.now(UTC))
    try:
        await migrate(db)
    finally:
        await db.close()
