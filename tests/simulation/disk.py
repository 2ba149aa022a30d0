"""The disk: real SQLite behind SQLAlchemy's own async dialect, in memory and without a thread, and it may fail."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from tests.simulation.process import Killed, Process

SLOW, SLOWEST = 0.02, 0.02  # so many of the commits take time, up to so many seconds

# Statements are compiled once a process, not once a life of each seed's: they are found by dialect and statement.
COMPILED: dict[Any, Any] = {}
DIALECTS: dict[str, Any] = {}


@dataclass(slots=True)
class Trouble:
    """How often, of 1: a statement fails, a commit does not happen, a commit happens and nobody hears of it."""

    statement: float = 0.0
    commit: float = 0.0
    reply: float = 0.0


NO_TROUBLE = Trouble()


def failure(name: str) -> sqlite3.OperationalError:
    """What SQLite raises when the disk fails it."""
    error = sqlite3.OperationalError(f"simulated: {name}")
    error.sqlite_errorname = name
    return error


class Disk:
    """One database that outlives the processes; one transaction at a time, in the order they came."""

    def __init__(self, like: sqlite3.Connection, chance: Random) -> None:
        self.raw = sqlite3.connect(":memory:", isolation_level=None)
        like.backup(self.raw)
        self.raw.execute("PRAGMA foreign_keys=ON")
        self.chance, self.trouble = chance, NO_TROUBLE
        self.slow = SLOW
        self.turn = asyncio.Lock()
        self.holder: Process | None = None
        self.commits = 0

    def engine(self, process: Process) -> AsyncEngine:
        """The process's own engine, with its one connection."""
        engine = create_async_engine(
            "sqlite+aiosqlite:///simulated",
            async_creator=partial(self._connect, process),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            execution_options={"compiled_cache": COMPILED},
        )
        engine.sync_engine.dialect = DIALECTS.setdefault("sqlite", engine.sync_engine.dialect)
        event.listen(engine.sync_engine, "begin", _begin)
        return engine

    def forsake(self, process: Process) -> None:
        """The process died: what it had not committed never was."""
        if self.holder is process:
            self.raw.rollback()
            self.release()

    def release(self) -> None:
        """The next may begin."""
        self.holder = None
        self.turn.release()

    def fails(self, probability: float) -> bool:
        """Whether it does this time."""
        return probability > 0 and self.chance.random() < probability

    async def _connect(self, process: Process) -> "Connection":
        process.does()
        return Connection(self, process)


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Connection:
    """What aiosqlite calls a connection, as far as SQLAlchemy asks."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self.disk, self.process = disk, process
        self._connection = disk.raw

    def cursor(self) -> "Cursor":
        """A new one."""
        return Cursor(self)

    async def begin(self) -> None:
        """Wait for the turn, as SQLite's busy handler would."""
        self.process.does()
        await self.disk.turn.acquire()
        if self.process.dead:
            self.disk.turn.release()
            raise Killed(self.process.name)
        self.disk.holder = self.process
        self.disk.raw.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """It takes a moment; it may fail, or succeed unheard."""
        disk = self.disk
        self.process.does()
        if disk.holder is not self.process:
            return
        if disk.chance.random() < disk.slow:
            await asyncio.sleep(disk.chance.random() * SLOWEST)
        self.process.does()
        if disk.fails(disk.trouble.commit):
            raise failure("SQLITE_IOERR_FSYNC")
        disk.raw.commit()
        disk.commits += 1
        disk.release()
        self.process.does()
        if disk.fails(disk.trouble.reply):
            raise failure("SQLITE_IOERR")

    async def rollback(self) -> None:
        """None of it."""
        if self.disk.holder is self.process and not self.process.dead:
            self.disk.raw.rollback()
            self.disk.release()

    async def close(self) -> None:
        """The next connection is a new one."""
        await self.rollback()

    def stop(self) -> None:
        """The same, where nothing can be awaited."""
        if self.disk.holder is self.process and not self.process.dead:
            self.disk.raw.rollback()
            self.disk.release()

    async def create_function(self, *_args: Any, **_options: Any) -> None:
        """SQLAlchemy brings a REGEXP nobody here uses."""


class Cursor:
    """What aiosqlite calls a cursor, as far as SQLAlchemy asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.disk.raw.cursor()

    async def __aenter__(self) -> "Cursor":
        return self

    @property
    def description(self) -> Any:
        """Of the columns."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """Of the last insert."""
        return self._cursor.lastrowid

    async def execute(self, statement: str, given: Sequence[Any] | None = None) -> "Cursor":
        """One statement."""
        if statement == "BEGIN IMMEDIATE":
            await self._connection.begin()
            return self
        return self._do(lambda: self._cursor.execute(statement, given or ()))

    async def executemany(self, statement: str, given: Sequence[Sequence[Any]]) -> "Cursor":
        """One statement for many rows."""
        return self._do(lambda: self._cursor.executemany(statement, given))

    async def fetchall(self) -> list[Any]:
        """All rows."""
        return self._cursor.fetchall()

    async def close(self) -> None:
        """It is done with."""
        self._cursor.close()

    def _do(self, work: Callable[[], object]) -> "Cursor":
        disk = self._connection.disk
        self._connection.process.does()
        if disk.fails(disk.trouble.statement):
            raise failure("SQLITE_IOERR_READ")
        work()
        return self
