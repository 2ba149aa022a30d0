"""Where a row runs: a folder, a database and a topic prefix of its own, and nothing of them left behind."""

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from dangol.settings import Settings, read_settings
from dangol.topics import Topic
from dangol_bench.model import Side

T = TypeVar("T")
WRITE, SECRET = "bench-write-key", "bench-secret-key"
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Ground:
    """What every row is handed: the side, the servers' URLs of the production side, and how much to do."""

    side: Side
    log: str = ""
    db: str = ""
    size: int = 0  # 0: as much as the figures need; 1: quick; 2: tiny, to see that it works

    def count(self, full: T, quick: T, tiny: T) -> T:
        """How much, by `size`."""
        return (full, quick, tiny)[self.size]

    @property
    def embedded(self) -> bool:
        """Whether log and state are one SQLite database."""
        return self.side is Side.EMBEDDED


@dataclass(frozen=True, slots=True)
class Home:
    """One product's own place: a folder, and where its log and state are."""

    place: Path
    log: str
    db: str
    prefix: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The settings as a process of the product reads them."""
        return {
            "DANGOL_LOG": self.log,
            "DANGOL_DB": self.db,
            "DANGOL_TOPIC_PREFIX": self.prefix,
            "DANGOL_PARTITIONS": str(PARTITIONS),
            "DANGOL_WRITE_KEY": WRITE,
            "DANGOL_SECRET_KEY": SECRET,
            "DANGOL_LINK_SECRET": "link-secret-of-a-bench-0123456789",
            "DANGOL_ALLOW_PRIVATE_TARGETS": "127.0.0.0/8",
            "DANGOL_INGEST_RATE": "0",
            "DANGOL_LOG_LEVEL": "warning",
        }

    @property
    def settings(self) -> Settings:
        """The same for this process."""
        return read_settings(self.environment, data=str(self.place / "data"), member="bench")


@asynccontextmanager
async def home(ground: Ground) -> AsyncIterator[Home]:
    """A place that is gone when the block ends."""
    place = Path(tempfile.mkdtemp(prefix="dangol-bench-"))
    try:
        if ground.embedded:
            (place / "data").mkdir()
            file = f"sqlite:///{place}/data/dangol.db"
            yield Home(place, file, file)
        else:
            async with _servers_part(ground) as (db, prefix):
                yield Home(place, ground.log, db, prefix)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def _servers_part(ground: Ground) -> AsyncIterator[tuple[str, str]]:
    name = f"dangol_bench_{uuid.uuid4().hex[:12]}"
    server, _, options = ground.db.partition("?")
    await _execute(ground.db, f'CREATE DATABASE "{name}"')
    prefix = f"{name}."
    try:
        yield f"{server.rsplit('/', 1)[0]}/{name}" + (f"?{options}" if options else ""), prefix
    finally:
        await _execute(ground.db, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await _delete_topics(ground.log, prefix)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _delete_topics(log: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=log.partition("://")[2])
    await admin.start()
    try:
        topics = {prefix + topic for topic in Topic} & set(await admin.list_topics())
        if topics:
            await admin.delete_topics(sorted(topics))
    finally:
        await admin.close()
