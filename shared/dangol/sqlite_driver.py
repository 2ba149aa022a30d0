"""aiosqlite with one visit to its thread a statement: SQLAlchemy's way takes four, and each costs as much as a row."""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import aiosqlite

Ran = tuple[Any, int, int | None, list[Any]]  # description, rowcount, lastrowid, rows


class OneVisitCursor(aiosqlite.Cursor):
    """A cursor that runs a statement and fetches all its rows in one visit; what SQLAlchemy asks then is at hand."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._conn = connection
        self._ran: Ran = (None, -1, None, [])

    async def __aenter__(self) -> "OneVisitCursor":
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "OneVisitCursor":
        """Run one statement."""
        return await self._run(lambda cursor: cursor.execute(sql, parameters or ()))  # type: ignore[arg-type]

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "OneVisitCursor":
        """Run one statement for many rows."""
        return await self._run(lambda cursor: cursor.executemany(sql, parameters))  # type: ignore[arg-type]

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

    async def _run(self, statement: Callable[[sqlite3.Cursor], object]) -> "OneVisitCursor":
        def visit() -> Ran:
            cursor = self._conn._conn.cursor()
            statement(cursor)
            rows = cursor.fetchall() if cursor.description else []
            return cursor.description, cursor.rowcount, cursor.lastrowid, rows

        self._ran = await self._conn._execute(visit)  # type: ignore[no-untyped-call]
        return self


class OneVisitConnection(aiosqlite.Connection):
    """A connection that gives such cursors."""

    def cursor(self) -> OneVisitCursor:  # type: ignore[override] # to be entered, as SQLAlchemy does
        """A cursor; nothing is asked of the thread for it."""
        return OneVisitCursor(self)


async def connect(path: Path) -> OneVisitConnection:
    """Open the database of a file; the thread ends with the process where nobody closes it."""
    connection = OneVisitConnection(lambda: sqlite3.connect(path, check_same_thread=False), iter_chunk_size=64)
    connection._thread.daemon = True
    await connection
    return connection
