"""A crowd: one person as the product stored it, copied many times by bulk SQL, each copy with its own ids."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import text

from dangol.db import Db, moment
from dangol.kafka.home import home_of
from dangol_bench.ground import PARTITIONS, Home

TABLES = ("profile", "identity", "enrolment")
AT_ONCE = 20_000  # people an insert
BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Copy:
    """One to be made: the person's number, and when it is due (as the model is where there is nothing to be due)."""

    number: int
    due_at: datetime | None = None


class Stencil:
    """A row of the model: a copy is cut by putting other texts in the place of its ids and moments."""

    def __init__(self, table: str, row: Mapping[str, Any]) -> None:
        self.table, self.columns = table, list(row)
        self._row, self._texts = row, [isinstance(value, str) for value in row.values()]
        self._whole = BETWEEN.join(value for value in row.values() if isinstance(value, str))

    def cut(self, new: Sequence[tuple[str, str]], others: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values of a copy, in the order of the columns; `others` are those of columns that are no texts."""
        whole = self._whole
        for was, becomes in new:
            whole = whole.replace(was, becomes)
        texts = iter(whole.split(BETWEEN))
        return tuple(
            next(texts) if is_text else self._other(column, others)
            for column, is_text in zip(self.columns, self._texts, strict=True)
        )

    def _other(self, column: str, others: Mapping[str, Any]) -> Any:
        value = self._row[column]
        return value if value is None else others.get(column, value)


class Model:
    """The one that is copied: the only person of a database, and what it is inside of."""

    def __init__(self, user: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.user = user
        self._ids = [row["id"] for table in ("profile", "enrolment") for row in rows[table]]
        inside = next(iter(rows["enrolment"]), None)
        self._due: datetime | None = _moment(inside["due_at"]) if inside else None
        self._entered: datetime | None = _moment(inside["entered_at"]) if inside else None
        self.stencils = [Stencil(table, row) for table in TABLES for row in rows[table]]

    def copies(self, people: Iterator[Copy], partitions: int) -> Iterator[list[tuple[Any, ...]]]:
        """Of each person its rows, one a stencil, in their order."""
        for copy in people:
            user = f"p{copy.number:012d}"
            new = [(id, _id(id, copy.number)) for id in self._ids] + [(self.user, user)]
            others: dict[str, Any] = {"home": home_of.__wrapped__(f"default/{user}", partitions)}
            if copy.due_at and self._due and self._entered:
                # a wait is counted anew from when it began, so that moves with its end
                entered = self._entered + (copy.due_at - self._due)
                new += [*_texts_of(self._due, copy.due_at), *_texts_of(self._entered, entered)]
                others |= {"wake_at": copy.due_at, "due_at": copy.due_at, "entered_at": entered}
            yield [stencil.cut(new, others) for stencil in self.stencils]


def _moment(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _texts_of(was: datetime, becomes: datetime) -> list[tuple[str, str]]:
    """The moment as JSON has it, and as SQLite's columns have it."""
    pairs = [(msgspec.json.encode(at).decode().strip('"'), moment(at)) for at in (was, becomes)]
    return list(zip(*pairs, strict=True))


def _id(id: str, number: int) -> str:
    digest = md5(f"{id}{number}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


async def model_of(db: Db, user: str) -> Model:
    """The model of this user id, who is the only person there is."""
    async with db.transaction() as conn:
        rows = {
            table: [dict(row) for row in (await conn.execute(text(f"SELECT * FROM {table}"))).mappings()]
            for table in TABLES
        }
    return Model(user, rows)


async def fill(home: Home, model: Model, people: Iterator[Copy]) -> None:
    """Insert the copies into a home that nobody has open."""
    if home.db.startswith("sqlite"):
        await asyncio.to_thread(_fill_sqlite, home.db.removeprefix("sqlite:///"), model, people)
    else:
        await _fill_postgres(home.db, model, people)


def _pages(model: Model, people: Iterator[Copy], partitions: int) -> Iterator[list[list[tuple[Any, ...]]]]:
    """Pages of rows by stencil."""
    copies = model.copies(people, partitions)
    while page := list(islice(copies, AT_ONCE)):
        yield [[rows[number] for rows in page] for number in range(len(model.stencils))]


def _fill_sqlite(path: str, model: Model, people: Iterator[Copy]) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous=OFF")
    conn.execute("PRAGMA cache_size=-262144")
    for page in _pages(model, people, 1):
        conn.execute("BEGIN")
        for stencil, rows in zip(model.stencils, page, strict=True):
            places = ", ".join("?" for _ in stencil.columns)
            names = ", ".join(f'"{column}"' for column in stencil.columns)
            conn.executemany(f"INSERT INTO {stencil.table} ({names}) VALUES ({places})", rows)
        conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    with Path(path).open("rb") as file:
        os.fsync(file)  # as where a crowd grew over months: its writing is not to be measured


async def _fill_postgres(url: str, model: Model, people: Iterator[Copy]) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SET synchronous_commit = off")
        for page in _pages(model, people, PARTITIONS):
            for stencil, rows in zip(model.stencils, page, strict=True):
                await conn.copy_records_to_table(stencil.table, records=rows, columns=stencil.columns)
        for table in TABLES:  # as autovacuum has, where a crowd grew over months
            await conn.execute(f"VACUUM (ANALYZE) {table}")
        await conn.execute("CHECKPOINT")
    finally:
        await conn.close()


def numbered(first: int, people: int, due_at: Callable[[int], datetime] | None = None) -> Iterator[Copy]:
    """Copies with the numbers from `first` on; `due_at` says when the n-th of them is."""
    return (Copy(first + number, due_at(number) if due_at else None) for number in range(people))
