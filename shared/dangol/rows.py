"""Many rows in one statement: a FROM item `r`, as one JSON parameter on SQLite, as one array a column on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, overload

import msgspec
from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import moment

TEXT, INTEGER, MOMENT = "text", "integer", "timestamptz"


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of `r`: (name, TEXT | INTEGER | MOMENT)."""

    columns: tuple[tuple[str, str], ...]

    @property
    def names(self) -> str:
        """The columns' names, as a statement lists them."""
        return ", ".join(name for name, _ in self.columns)

    def source(self, dialect: str) -> str:
        """The FROM item, which takes the parameters of `given`."""
        if dialect == "sqlite":
            fields = (f"json_extract(value, '$[{i}]') AS {name}" for i, (name, _) in enumerate(self.columns))
            return f"(SELECT {', '.join(fields)} FROM json_each(:rows)) AS r"
        arrays = (f"CAST(:{name} AS {kind}[])" for name, kind in self.columns)
        return f"unnest({', '.join(arrays)}) AS r({self.names})"

    def one(self) -> str:
        """The FROM item that is one row, to be run for each: on SQLite half the time of JSON, where rows are wide."""
        return f"(SELECT {', '.join(f'? AS {name}' for name, _ in self.columns)}) AS r"

    def given(self, dialect: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The parameters for rows that have the columns' values in their order."""
        if dialect == "sqlite":
            return {"rows": msgspec.json.encode(self.as_text(rows)).decode()}
        columns = zip(*rows, strict=True)
        return {name: list(values) for (name, _), values in zip(self.columns, columns, strict=True)}

    def as_text(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The rows with their moments as SQLite stores them."""
        moments = [i for i, (_, kind) in enumerate(self.columns) if kind == MOMENT]
        if not moments:
            return rows
        written = [list(row) for row in rows]
        for row in written:
            for i in moments:
                row[i] = _text(row[i]) if row[i] is not None else None
        return written


def _text(at: datetime) -> str:
    """As `moment`; what is in UTC already, as nearly everything here is, takes half the time."""
    return at.isoformat(timespec="microseconds") if at.tzinfo is UTC else moment(at)


async def execute(
    conn: AsyncConnection, template: str, shape: Shape, rows: Sequence[Sequence[Any]], **others: datetime
) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement written around `{r}` for all rows at once; `{lock}` locks what is read. `rows` is not empty."""
    dialect = conn.dialect.name
    moments = {name: moment_for(conn, at) for name, at in others.items()}
    return await conn.execute(_statement(dialect, template, shape), shape.given(dialect, rows) | moments)


async def write(conn: AsyncConnection, template: str, shape: Shape, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement that gives nothing back; on SQLite once for each row. `rows` is not empty.

    A statement for SQLite alone may say `?` for each column of the shape instead of `{r}`.
    """
    if conn.dialect.name == "postgresql":
        await execute(conn, template, shape, rows)
    else:
        await conn.exec_driver_sql(template.format(r=shape.one()), [tuple(row) for row in shape.as_text(rows)])


def moment_for(conn: AsyncConnection, at: datetime) -> datetime | str:
    """A moment as a parameter of a hand-written statement."""
    return moment(at) if conn.dialect.name == "sqlite" else at


@overload
def as_moment(value: datetime | str) -> datetime: ...
@overload
def as_moment(value: datetime | str | None) -> datetime | None: ...
def as_moment(value: datetime | str | None) -> datetime | None:
    """A moment as a hand-written statement gives it back: SQLite gives text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


@cache
def _statement(dialect: str, template: str, shape: Shape) -> TextClause:
    lock = "" if dialect == "sqlite" else "FOR UPDATE"
    return text(template.format(r=shape.source(dialect), lock=lock))
