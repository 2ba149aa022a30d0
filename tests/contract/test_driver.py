"""Statements handed to the driver are part of the transaction, and what they raise is told as SQLAlchemy's is."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dangol.db import Db, moment, open_db
from dangol.driver import fetch, run_each
from dangol.errors import Unavailable
from dangol.migrate import migrate
from dangol.rows import BIG, MOMENT, TEXT, Shape, as_moment, execute, write
from tests.contract.conftest import now

PUT = {
    "sqlite": "INSERT INTO publication (number, workspace, at, by) VALUES (?, ?, ?, ?)",
    "postgresql": "INSERT INTO publication (number, workspace, at, by) VALUES ($1, $2, $3, $4)",
}
ROW = Shape((("number", BIG), ("workspace", TEXT), ("at", MOMENT), ("by", TEXT)))


def rows(db: Db, *numbers: int) -> list[tuple[Any, ...]]:
    """As the driver takes them."""
    at = moment(now()) if db.dialect == "sqlite" else now()
    return [(number, "w", at, "me") for number in numbers]


async def numbers(db: Db) -> list[int]:
    """Those that are there."""
    async with db.transaction() as conn:
        return [row[0] for row in await fetch(conn, "SELECT number FROM publication ORDER BY number")]


async def test_what_a_driver_did_is_undone_with_the_transaction(db: Db) -> None:
    """Caught: PostgreSQL's driver asked before SQLAlchemy had begun."""
    with pytest.raises(KeyError):
        async with db.transaction() as conn:
            await run_each(conn, PUT[db.dialect], rows(db, 1, 2))
            raise KeyError
    assert await numbers(db) == []
    async with db.transaction() as conn:
        await run_each(conn, PUT[db.dialect], rows(db, 1, 2))
    assert await numbers(db) == [1, 2]


async def test_what_a_driver_raises_is_what_sqlalchemy_would_raise(db: Db) -> None:
    """Caught: the driver's own error let through, which no batch is halved for."""
    async with db.transaction() as conn:
        await run_each(conn, PUT[db.dialect], rows(db, 1))
    with pytest.raises(DBAPIError):
        async with db.transaction() as conn:
            await run_each(conn, PUT[db.dialect], rows(db, 1))
    with pytest.raises(DBAPIError, match="nowhere"):
        async with db.transaction() as conn:
            await fetch(conn, "SELECT 1 FROM nowhere")
    assert await numbers(db) == [1]


async def test_rows_are_written_and_found_by_lists_of_any_length(db: Db) -> None:
    put = f"INSERT INTO publication ({ROW.names}) {{rows}} ON CONFLICT DO NOTHING"
    found = "SELECT p.number, p.at FROM {r} JOIN publication p ON p.number = r.number WHERE p.by = :who ORDER BY 1"
    at = now()
    async with db.transaction() as conn:
        await write(conn, put, ROW, [(number, "w", at, "me") for number in range(1, 41)])
        await write(conn, put, ROW, [(40, "w", at, "you"), (2**40, "w", at, "me")])
        asked = [(number,) for number in (7, 40, 99, 2**40)]
        answer = await execute(conn, found, Shape((("number", BIG),)), asked, who="me")
    assert [(number, as_moment(moment)) for number, moment in answer] == [(7, at), (40, at), (2**40, at)]


@pytest.mark.postgres
async def test_a_connection_lost_under_a_driver_is_forgotten(postgres_url: str) -> None:
    """SQLAlchemy meets the lost connection when it rolls back, and its pool forgets it."""
    db = await open_db(postgres_url, now, pool=2)
    with pytest.raises(Unavailable):
        async with db.transaction() as conn:
            pid = (await fetch(conn, "SELECT pg_backend_pid()"))[0][0]
            async with asyncio.timeout(10):
                await asyncio.create_task(_terminate(db, pid))
            await fetch(conn, "SELECT 1")
    for _ in range(2):
        async with db.transaction() as conn:
            assert (await fetch(conn, "SELECT 1"))[0][0] == 1
    await db.close()


async def _terminate(db: Db, pid: int) -> None:
    async with db.transaction() as conn:
        await conn.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": pid})


@pytest.mark.postgres
async def test_who_is_cancelled_in_a_statement_leaves_nothing(postgres_url: str) -> None:
    db = await open_db(postgres_url, now, pool=1)
    await migrate(db)

    async def sleeps() -> None:
        async with db.transaction() as conn:
            await run_each(conn, PUT["postgresql"], rows(db, 1))
            asked.set()
            await fetch(conn, "SELECT pg_sleep(30)")

    asked = asyncio.Event()
    task = asyncio.create_task(sleeps())
    await asked.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    assert task.cancelled()
    assert await numbers(db) == []
    await db.close()


async def test_both_ways_are_of_one_transaction(db: Db) -> None:
    async with db.transaction() as conn:
        await conn.execute(text("SELECT 1"))
        await run_each(conn, PUT[db.dialect], rows(db, 5))
        assert (await conn.execute(text("SELECT count(*) FROM publication"))).scalar_one() == 1
