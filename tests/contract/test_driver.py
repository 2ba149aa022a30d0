"""Statements handed to the driver are part of the transaction, and what they raise is told as SQLAlchemy's is."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import BigInteger, String, bindparam, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import col

from dangol.db import Db, UtcDateTime, moment, open_db
from dangol.driver import fetch, run_each
from dangol.errors import Unavailable
from dangol.migrate import migrate
from dangol.rows import BIG, MOMENT, TEXT, Shape, as_moment, execute, read, run_many, write
from dangol.tables import Publication
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


async def test_rows_of_one_key_are_written_in_their_order(db: Db) -> None:
    """On PostgreSQL those that differ go as one statement, in which none may be met twice. Caught: all sent as one."""

    def moving() -> UpdateBase:
        to = {"by": bindparam("who", type_=String), "at": bindparam("when", type_=UtcDateTime())}
        return update(Publication).where(col(Publication.number) == bindparam("of", type_=BigInteger)).values(to)

    async def move(*moves: tuple[int, str]) -> None:
        rows = [{"of": of, "who": who, "when": at} for of, who in moves]
        async with db.transaction() as conn:
            await run_many(conn, ("test move",), moving, rows, ["of"])

    async def found() -> list[tuple[int, str, datetime]]:
        async with db.transaction() as conn:
            rows = await fetch(conn, "SELECT number, by, at FROM publication ORDER BY number")
        return [(number, by, as_moment(moment)) for number, by, moment in rows]

    at = now()
    async with db.transaction() as conn:
        await run_each(conn, PUT[db.dialect], rows(db, 1, 2, 3))
    await move((1, "a"))
    await move((1, "b"), (3, "c"), (9, "nobody"))
    assert await found() == [(1, "b", at), (2, "me", (await found())[1][2]), (3, "c", at)]
    await move((2, "first"), (3, "d"), (2, "last"))
    assert [by for _, by, _ in await found()] == ["b", "last", "d"]
    puts = [{"number": 4, "workspace": "w", "at": at, "by": who} for who in ("first", "last")]
    async with db.transaction() as conn:
        await run_many(conn, ("test overwrite",), lambda: _overwriting(db), puts, ["number"])
    assert [by for _, by, _ in await found()] == ["b", "last", "d", "last"]


def _overwriting(db: Db) -> UpdateBase:
    insert = db.upsert(Publication)
    done: UpdateBase = insert.on_conflict_do_update(index_elements=["number"], set_={"by": insert.excluded.by})
    return done


async def test_rows_put_in_twice_at_once_are_one(db: Db) -> None:
    put = [{"number": number, "workspace": "w", "at": now(), "by": "'; --\u00e9"} for number in (1, 2, 2, 3)]
    async with db.transaction() as conn:
        await run_many(conn, ("test put",), lambda: db.upsert(Publication).on_conflict_do_nothing(), put)
    assert await numbers(db) == [1, 2, 3]


async def test_what_is_read_has_the_names_of_its_columns(db: Db) -> None:
    async with db.transaction() as conn:
        await run_each(conn, PUT[db.dialect], rows(db, 1, 2))
        wanted = select(col(Publication.number), func.lower(col(Publication.by)).label("who"))
        (row,) = await read(
            conn,
            ("test read",),
            lambda: wanted.where(col(Publication.number) == bindparam("of", type_=BigInteger)),
            of=2,
        )
    assert (row.number, row.who, row._asdict()) == (2, "me", {"number": 2, "who": "me"})


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
