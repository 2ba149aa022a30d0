"""Rows to and from the driver, many at a time, without what SQLAlchemy does for each.

Hand-written statements take theirs as a FROM item `r` (`execute`, `write`): one JSON parameter on SQLite, one array a
column on PostgreSQL. Statements of SQLAlchemy's are compiled once under a name (`read`, `run_many`).
"""

import re
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, overload

import msgspec
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    any_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

from dangol.db import moment
from dangol.driver import fetch, run_each

TEXT, INTEGER, BIG, MOMENT = "text", "integer", "bigint", "timestamptz"
_NAMED = re.compile(r"(?<!:):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of `r`: (name, TEXT | INTEGER | BIG | MOMENT)."""

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

    def rows(self, dialect: str) -> str:
        """What an INSERT inserts: one row, to be run for each, on SQLite: half the time of JSON where rows are wide."""
        if dialect == "sqlite":
            return f"VALUES ({', '.join('?' * len(self.columns))})"
        return f"SELECT {self.names} FROM {self.source(dialect)}"

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


@lru_cache(maxsize=1024)  # the rows of a batch share most of their moments
def _text(at: datetime) -> str:
    """As `moment`; what is in UTC already, as nearly everything here is, takes half the time."""
    return at.isoformat(timespec="microseconds") if at.tzinfo is UTC else moment(at)


_moment_in = lru_cache(maxsize=1024)(datetime.fromisoformat)


async def execute(
    conn: AsyncConnection,
    template: str,
    shape: Shape,
    rows: Sequence[Sequence[Any]],
    **others: datetime | str | int,
) -> Sequence[Any]:
    """The rows of a statement written around `{r}` for all rows at once; `{lock}` locks what is read. `rows` is not
    empty. Moments come as the driver has them: see `as_moment`."""
    dialect = conn.dialect.name
    given = shape.given(dialect, rows) | {name: _plain_one(conn, one) for name, one in others.items()}
    statement, names = _statement(dialect, template, shape)
    return await fetch(conn, statement, [given[name] for name in names] if names else given)


async def write(conn: AsyncConnection, template: str, shape: Shape, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement that gives nothing back; on SQLite once for each row. `rows` is not empty.

    An INSERT says `{rows}` for what it inserts; another statement `{r}`, or for SQLite alone `?` for each column.
    """
    if conn.dialect.name == "postgresql":
        await execute(conn, template, shape, rows)
    else:
        await run_each(conn, template.format(rows=shape.rows("sqlite")), shape.as_text(rows))


def moment_for(conn: AsyncConnection, at: datetime) -> datetime | str:
    """A moment as a parameter of a hand-written statement."""
    return _text(at) if conn.dialect.name == "sqlite" else at


def _plain_one(conn: AsyncConnection, value: datetime | str | int) -> datetime | str | int:
    return moment_for(conn, value) if isinstance(value, datetime) else value


@overload
def as_moment(value: datetime | str) -> datetime: ...
@overload
def as_moment(value: datetime | str | None) -> datetime | None: ...
def as_moment(value: datetime | str | None) -> datetime | None:
    """A moment as the driver gives it back: SQLite's gives text."""
    return _moment_in(value) if isinstance(value, str) else value


@cache
def _statement(dialect: str, template: str, shape: Shape) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver takes it, and on PostgreSQL the names of its parameters in their order."""
    lock = "" if dialect == "sqlite" else "FOR UPDATE"
    written = template.format(r=shape.source(dialect), rows=shape.rows(dialect), lock=lock)
    if dialect == "sqlite":
        return written, ()
    names = tuple(dict.fromkeys(_NAMED.findall(written)))
    return _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", written), names


def among(conn: AsyncConnection, column: ColumnElement[Any], values: Collection[str] | str) -> ColumnElement[bool]:
    """Whether a column is one of these texts: one parameter, so the statement is the same however many there are.

    A single text is the name under which `read` is given them.
    """
    if conn.dialect.name == "postgresql":
        kind = ARRAY(String)
        return column == any_(asked(values, kind) if isinstance(values, str) else literal(sorted(values), kind))
    listed = func.json_each(asked(values) if isinstance(values, str) else _listing(sorted(values)))
    return column.in_(select(listed.table_valued("value").c.value))


def asked(name: str, kind: TypeEngine[Any] | type[String] = String) -> BindParameter[Any]:
    """A parameter that `read` is given under this name."""
    return bindparam(name, type_=kind, required=False)


async def run_many(
    conn: AsyncConnection,
    name: tuple[str, ...],
    statement: Callable[[], UpdateBase],
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str] = (),
) -> None:
    """Run a statement for each of these rows, all with the same names in the same order.

    What SQLAlchemy does for each row of a list cost more than the database's work: here it compiles the statement of a
    `name` once, and the rows go to the driver as they are; on PostgreSQL as one statement, unless two of them say by
    `key` that they change the same row (the last is to win). Without a key nothing that is there is changed.
    """
    made, names, _, _ = _compile(conn, (*name, *rows[0]), statement, list(rows[0]))
    ordered = [tuple([row[one] for one in names]) for row in rows]
    if conn.dialect.name == "sqlite":
        await run_each(conn, made, [_plain(row) for row in ordered])
    elif len(rows) > 1 and len({tuple([row[one] for one in key]) for row in rows}) == (len(rows) if key else 1):
        await fetch(conn, _for_all(made), [list(column) for column in zip(*ordered, strict=True)])
    else:
        await run_each(conn, made, ordered)


_GIVEN = re.compile(r"\$(\d+)::(TIMESTAMP WITH TIME ZONE|[A-Z]+)")
_VALUES = re.compile(r"VALUES \(([^()]*)\)")


@cache
def _for_all(made: str) -> str:
    """A compiled INSERT or UPDATE of one row as the statement for many: each parameter an array with a value a row."""
    kinds = {int(number): kind for number, kind in _GIVEN.findall(made)}
    names = ", ".join(f"p{number}" for number in sorted(kinds))
    source = f"unnest({', '.join(f'${number}::{kinds[number]}[]' for number in sorted(kinds))}) AS r({names})"
    written = _GIVEN.sub(lambda found: f"r.p{found[1]}", made)
    if written.startswith("INSERT"):
        return _VALUES.sub(lambda found: f"SELECT {found[1]} FROM {source}", written)
    before, where, after = written.partition("WHERE")
    return f"{before} FROM {source} {where}{after}"


async def read(
    conn: AsyncConnection,
    name: tuple[str, ...],
    statement: Callable[[], Select[Any] | CompoundSelect[Any]],
    **values: Any,
) -> Sequence[Any]:
    """The rows of the statement of a `name`, compiled once, its named parameters given: named tuples. Moments come as
    the driver has them: see `as_moment`."""
    made, names, given, row_of = _compile(conn, name, statement, None)
    row = [values[one] if one in values else given[one] for one in names]
    found = await fetch(conn, made, _plain(row) if conn.dialect.name == "sqlite" else row)
    return list(map(row_of, found))


def _plain(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row as SQLite takes it: moments as text, lists as one JSON parameter."""
    return tuple([_text(one) if type(one) is datetime else _listing(one) if type(one) is list else one for one in row])


def _listing(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


# the statement, its parameters' names in their order, those that have a value already, and what makes its rows
Compiled = tuple[str, tuple[str, ...], Mapping[str, Any], Callable[[Sequence[Any]], Any]]
_compiled: dict[tuple[str, ...], Compiled] = {}


def _compile(
    conn: AsyncConnection, name: tuple[str, ...], statement: Callable[[], ClauseElement], columns: list[str] | None
) -> Compiled:
    key = (conn.dialect.name, *name)
    if key not in _compiled:
        written = statement()
        made = written.compile(dialect=conn.dialect, column_keys=columns, compile_kwargs={"render_postcompile": True})
        read_back = written.selected_columns.keys() if isinstance(written, Select | CompoundSelect) else []
        row_of = _row_type(read_back)._make
        _compiled[key] = (made.string, tuple(made.positiontup or ()), made.params, row_of)  # type: ignore[attr-defined]
    return _compiled[key]


def _row_type(columns: Iterable[str]) -> Any:
    return namedtuple("Found", list(columns), rename=True)
