"""One suite, every backend: what the contract tests run on."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dangol.clock import Clock
from dangol.db import Db, open_db
from dangol.migrate import migrate
from dangol.settings import Settings, read_settings
from dangol.stream import Outgoing, Stream, open_stream
from dangol.topics import Topic
from tests.support import postgres


def now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass
class Ground:
    """A database and a log, which can be closed and opened again as another process would."""

    settings: Settings
    db: Db
    stream: Stream

    async def reopen(self) -> None:
        """End, and begin again."""
        await self.close()
        self.db = await open_db(self.settings.db, now)
        self.stream = await open_stream(self.settings, self.db, now)

    async def close(self) -> None:
        """End."""
        await self.stream.close()
        await self.db.close()


async def open_ground(settings: Settings) -> Ground:
    """The ground of these settings, its tables made."""
    db = await open_db(settings.db, now)
    try:
        await migrate(db)
        return Ground(settings, db, await open_stream(settings, db, now))
    except BaseException:
        await db.close()
        raise


@asynccontextmanager
async def another(ground: Ground, clock: Clock = now) -> AsyncIterator[Ground]:
    """The ground as a second process has it: connections, and perhaps a clock, of its own. One process alone may have a
    SQLite file."""
    if ground.db.dialect == "sqlite":
        yield ground
        return
    db = await open_db(ground.settings.db, clock)
    stream = await open_stream(ground.settings, db, clock)
    try:
        yield Ground(ground.settings, db, stream)
    finally:
        await stream.close()
        await db.close()


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.postgres])])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Where to, on each backend: SQLite for both, or Kafka and PostgreSQL."""
    if request.param == "sqlite":
        yield read_settings({"DANGOL_DATA": str(tmp_path)})
        return
    server, name = request.getfixturevalue("postgres_server"), f"t{uuid.uuid4().hex}"
    yield read_settings(
        {
            "DANGOL_LOG": request.getfixturevalue("kafka_url"),
            "DANGOL_DB": postgres.create_database(server, name),
            "DANGOL_TOPIC_PREFIX": request.getfixturevalue("topic_prefix"),
            "DANGOL_PARTITIONS": "4",
        }
    )
    postgres.drop_database(server, name)


@pytest.fixture
async def ground(settings: Settings) -> AsyncIterator[Ground]:
    """An open database and log."""
    opened = await open_ground(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Db]:
    """An open database with its tables."""
    opened = await open_db(db_url, now)
    await migrate(opened)
    yield opened
    await opened.close()


def said(key: str, value: str, topic: Topic = Topic.EVENTS) -> Outgoing:
    """Something for the log."""
    return Outgoing(topic, key, value.encode(), f"{key}:{value}")
