"""A guard: who holds a transaction may wait for the database and for nothing else."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from dangol.db import Db


@contextmanager
def only_the_database_awaited(db: Db) -> Iterator[None]:
    """Look at every turn of the loop; at the end, an assertion names where a holder waited for something else."""
    found: set[str] = set()
    loop = asyncio.get_running_loop()
    watching = True

    def look() -> None:
        for task in db.holders():
            if place := _waits_elsewhere(task):
                found.add(place)
        if watching:
            loop.call_soon(look)

    loop.call_soon(look)
    try:
        yield
    finally:
        watching = False
    assert not found, f"inside a transaction something else than the database was awaited: {sorted(found)}"


def _waits_elsewhere(task: asyncio.Task[Any]) -> str | None:
    """The chain of awaits of a task that waits, unless it goes through the database."""
    chain = list(_awaits(task.get_coro()))
    waits_for = getattr(task, "_fut_waiter", None)
    if isinstance(waits_for, asyncio.Task):  # part of the work, in a task of its own
        return _waits_elsewhere(waits_for)
    running = task is asyncio.current_task() or waits_for is None
    if running or any(_is_database(code) for code in chain):
        return None
    return " > ".join(code.co_qualname for code in chain)


def _awaits(awaited: Any) -> Iterator[CodeType]:
    while awaited is not None:
        code = getattr(awaited, "cr_code", None)
        if isinstance(code, CodeType):
            yield code
        awaited = getattr(awaited, "cr_await", None)


def _is_database(code: CodeType) -> bool:
    """SQLAlchemy itself, a driver, or the transaction's own entering and leaving."""
    return any(room in code.co_filename for room in ("/sqlalchemy/", "/asyncpg/", "/aiosqlite/")) or (
        code.co_filename.endswith("contextlib.py") and code.co_name in ("__aenter__", "__aexit__")
    )
