"""aiosqlite that visits its thread only for what takes long: a visit costs more than most statements.

Beside a busy loop a visit is dear: the thread waits for Python's lock before it begins, and again before it answers.
So commits (they wait for the disk) and bulky statements go to the thread, everything else is done where it is asked.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import aiosqlite

BULKY = 4096  # characters or bytes of one parameter
MANY = 16  # rows of parameters
Ran = tuple[Any, int, int | None, list[Any]]  # description, rowcount, lastrowid, rows


class OneVisitCursor(aiosqlite.Cursor):
    """A cursor that runs a statement and fetches all its rows at once; what SQLAlchemy asks then is at hand."""

    def __init__(self, connection: "OneVisitConnection") -> None:
        self._conn: OneVisitConnection = connection
        self._ran: Ran = (None, -1, None, [])

    async def __aenter__(self) -> "OneVisitCursor":
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "OneVisitCursor":
        """Run one statement."""
        given: Any = parameters or ()
        return await self._run(lambda cursor: cursor.execute(sql, given), bulky(given))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "OneVisitCursor":
        """Run one statement for many rows."""
        rows: list[Any] = list(parameters)
        return await self._run(lambda cursor: cursor.executemany(sql, rows), len(rows) > MANY)

    async def fetchall(self) -> list[sqlite3.Row]:
        """The rows, which are here already."""
        return self._ran[3]

    async def close(self) -> None:
        """There is nothing left open."""

    @property
    def description(self) -> Any:
        """The columns of the rows; None where the statement gives none."""
        return self._ran[0]

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._ran[1]

    @property
    def lastrowid(self) -> int | None:
        """The number the last inserted row got."""
        return self._ran[2]

    async def _run(self, statement: Callable[[sqlite3.Cursor], object], long: bool) -> "OneVisitCursor":
        def run() -> Ran:
            cursor = self._conn._conn.cursor()
            statement(cursor)
            rows = cursor.fetchall() if cursor.description else []
            return cursor.description, cursor.rowcount, cursor.lastrowid, rows

        self._ran = await self._conn._execute(run) if long or self._conn.away else run()
        return self


class OneVisitConnection(aiosqlite.Connection):
    """A connection that gives such cursors."""

    _sent = _done = 0  # visits to the thread: begun by us, ended by it
    _changes = 0  # of rows, when it was last committed
    _level = "FULL"

    @property
    def away(self) -> bool:
        """Whether the thread has the connection: then whatever comes waits behind it."""
        return self._sent != self._done

    async def begin(self, *, durable: bool) -> None:
        """Begin to write. Not `durable`: the commit does not wait for the disk."""
        level = "FULL" if durable else "NORMAL"
        if self._level != level:
            self._level = ""  # unknown, if this is cancelled half-way
            await self.cursor().execute(f"PRAGMA synchronous={level}")
            self._level = level
        await self.cursor().execute("BEGIN IMMEDIATE")

    async def rollback(self) -> None:
        """Undo; where nothing is open there is nothing to be asked of the thread. (A pool asks after each use.)"""
        if self.away or self._conn.in_transaction:
            await super().rollback()

    async def commit(self) -> None:
        """Commit; where nothing was written there is no disk to wait for."""
        if self.away or self._conn.total_changes != self._changes:
            await super().commit()
            self._changes = self._conn.total_changes
        else:
            self._conn.commit()

    def cursor(self) -> OneVisitCursor:  # type: ignore[override] # to be entered, as SQLAlchemy does
        """A cursor; nothing is asked of the thread for it."""
        return OneVisitCursor(self)

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def visit() -> Any:
            try:
                return fn(*args, **kwargs)
            finally:
                self._done += 1

        self._sent += 1
        return await super()._execute(visit)  # type: ignore[no-untyped-call]


def bulky(parameters: Any) -> bool:
    """Whether a parameter is so long that the statement is likely to be about many rows."""
    values = parameters.values() if isinstance(parameters, dict) else parameters
    return any(isinstance(value, str | bytes) and len(value) > BULKY for value in values)


async def connect(path: Path) -> OneVisitConnection:
    """Open the database of a file; the thread ends with the process where nobody closes it."""
    connection = OneVisitConnection(lambda: sqlite3.connect(path, check_same_thread=False), iter_chunk_size=64)
    connection._thread.daemon = True
    await connection
    return connection
