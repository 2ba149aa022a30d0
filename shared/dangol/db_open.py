"""How a database is opened: engines, their pools and pinned settings, and the lock on a SQLite file."""

import asyncio
import fcntl
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import await_only

from dangol import sqlite_driver
from dangol.errors import Invalid, Unavailable

LONGEST = 60.0  # seconds of a statement on PostgreSQL
LOCK_WAIT = timedelta(seconds=1)  # for a predecessor that is just ending
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # a commit that returned survives a power cut
    "foreign_keys=ON",
    "busy_timeout=1000",
    "temp_store=MEMORY",
    "cache_size=-65536",
    "journal_size_limit=67108864",
    "wal_autocheckpoint=8000",  # pages, 32 MB: a commit writes hundreds, and a checkpoint waits for the disk twice
)
# A stopped worker's open transaction must not block its successor for longer than these.
SERVER_SETTINGS = {
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "5000",
    "plan_cache_mode": "force_custom_plan",  # a stale generic plan made a batch 15 times slower
    "timezone": "UTC",
    "jit": "off",
}


class FileLock:
    """Holds `PATH.lock` for this process: SQLite in WAL is for one process here."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._fd: int | None = None

    async def acquire(self) -> None:
        """Raises `Unavailable`, naming the holder, after `LOCK_WAIT`."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        tries = int(LOCK_WAIT / timedelta(milliseconds=50))
        for left in reversed(range(tries)):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not left:
                    holder = os.pread(fd, 32, 0).decode().strip() or "another"
                    os.close(fd)
                    raise Unavailable(self._sentence(holder)) from None
                await asyncio.sleep(0.05)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """The file stays; the lock is what counts."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _sentence(self, holder: str) -> str:
        return f"{self._path.with_suffix('')} is in use by process {holder}: one process at a time may open it"


def dialect_name(engine: AsyncEngine) -> Literal["sqlite", "postgresql"]:
    """Which of the two it is."""
    return "sqlite" if engine.dialect.name == "sqlite" else "postgresql"


async def open_engine(url: str, *, pool: int, name: str, longest: float | None) -> tuple[AsyncEngine, FileLock | None]:
    """The engine of a URL, and the lock that goes with it."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Invalid("bad_url", f"not a database's URL: {error}", where="DANGOL_DB") from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database:
            return await _open_sqlite(Path(parsed.database))
        case "postgresql" | "postgres":
            return _open_postgres(url, pool, name, longest), None
        case _:
            raise Invalid("bad_url", "a database is sqlite:///PATH or postgresql://…", where="DANGOL_DB")


async def _open_sqlite(path: Path) -> tuple[AsyncEngine, FileLock]:
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    lock = FileLock(path)
    await lock.acquire()
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        async_creator=lambda *_args, **_options: sqlite_driver.connect(path),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine, lock


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, so that it can be IMMEDIATE
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    """`info["durable"]`, when given, is of the transaction that begins: whether its commit waits for the disk."""
    driver = connection.connection.driver_connection
    await_only(driver.begin(durable=connection.info.get("durable", True)))


def _open_postgres(url: str, pool: int, name: str, longest: float | None) -> AsyncEngine:
    dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    settings = {**SERVER_SETTINGS, "application_name": name}

    async def connect(*_args: Any, **_options: Any) -> Any:
        # asyncpg reads libpq's URL itself: sslmode, sslrootcert, several hosts
        return await asyncpg.connect(dsn, timeout=5, command_timeout=longest, server_settings=settings)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=5,
        # no ping ahead of each use: one lost connection makes the pool forget all that are older
        isolation_level="READ COMMITTED",
    )
