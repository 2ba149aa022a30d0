"""The tables as SQL sees them, and rows put in many at a time."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    Table,
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

from dangol.db import Db, moment
from dangol_dispatcher import tables

_named = tables.Message.metadata.tables

RECIPIENT: Table = _named["recipient"]
STATEMENT: Table = _named["consent_statement"]
CONSENT: Table = _named["consent_state"]
SUPPRESSION: Table = _named["suppression"]
HASH_KEY: Table = _named["hash_key"]
MESSAGE: Table = _named["message"]
DELIVERY: Table = _named["delivery"]
ATTEMPT: Table = _named["attempt"]
RECEIPT: Table = _named["receipt"]
COUPON: Table = _named["coupon_code"]
SWITCH: Table = _named["switch"]
GATEWAY: Table = _named["gateway_state"]
KEPT: Table = _named["inbox_message"]

Row = dict[str, Any]
_compiled: dict[tuple[str, ...], tuple[str, tuple[str, ...], Mapping[str, Any]]] = {}


def among(conn: AsyncConnection, column: ColumnElement[Any], values: Collection[str] | str) -> ColumnElement[bool]:
    """Whether a column is one of these texts: one parameter, so the statement is the same however many there are.

    A single text is the name under which `read` is given them.
    """
    if conn.dialect.name == "postgresql":
        kind = ARRAY(String)
        return column == any_(asked(values, kind) if isinstance(values, str) else literal(sorted(values), kind))
    listed = func.json_each(asked(values) if isinstance(values, str) else listing(values))
    return column.in_(select(listed.table_valued("value").c.value))


def asked(name: str, kind: TypeEngine[Any] | type[String] = String) -> BindParameter[Any]:
    """A parameter that `read` is given under this name."""
    return bindparam(name, type_=kind, required=False)


def listing(values: Collection[str]) -> str:
    """Texts as one JSON parameter."""
    return msgspec.json.encode(sorted(values)).decode()


async def put_new(db: Db, conn: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; one whose key is there already changes nothing."""
    if rows:
        await run_many(conn, ("put new", table.name), lambda: db.upsert(table).on_conflict_do_nothing(), rows)


async def put(db: Db, conn: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; one whose key is there already is overwritten."""
    if rows:
        await run_many(conn, ("put", table.name), lambda: _overwriting(db, table, rows[0]), rows)


async def run_many(
    conn: AsyncConnection, name: tuple[str, ...], statement: Callable[[], UpdateBase], rows: Sequence[Row]
) -> None:
    """Run a statement for each of these rows, all with the same names in the same order.

    What SQLAlchemy does for each row of a list cost more than the database's work: here it compiles the statement of a
    `name` once, and the rows go to the driver as they are.
    """
    text, names, _ = _compile(conn, (*name, *rows[0]), statement, list(rows[0]))
    ordered = [tuple([row[one] for one in names]) for row in rows]
    if conn.dialect.name == "sqlite":
        ordered = [tuple([_text_of(one) if type(one) is datetime else one for one in row]) for row in ordered]
    await conn.exec_driver_sql(text, ordered)


async def read(
    conn: AsyncConnection,
    name: tuple[str, ...],
    statement: Callable[[], Select[Any] | CompoundSelect[Any]],
    **values: Any,
) -> Sequence[Any]:
    """The rows of the statement of a `name`, compiled once, its named parameters given. Moments come as the driver has
    them: see `moment_of`."""
    text, names, given = _compile(conn, name, statement, None)
    in_sqlite = conn.dialect.name == "sqlite"
    asked = _plain((values[one] if one in values else given[one] for one in names), in_sqlite)
    return (await conn.exec_driver_sql(text, asked)).all()


def moment_of(value: Any) -> Any:
    """A moment as `read` gives it."""
    return _moment_in(value) if type(value) is str else value


# The rows of a batch share most of their moments.
_text_of = lru_cache(maxsize=1024)(moment)
_moment_in = lru_cache(maxsize=1024)(datetime.fromisoformat)


def _compile(
    conn: AsyncConnection, name: tuple[str, ...], statement: Callable[[], ClauseElement], columns: list[str] | None
) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    key = (conn.dialect.name, *name)
    if key not in _compiled:
        made = statement().compile(
            dialect=conn.dialect, column_keys=columns, compile_kwargs={"render_postcompile": True}
        )
        _compiled[key] = (made.string, tuple(made.positiontup or ()), made.params)  # type: ignore[attr-defined]
    return _compiled[key]


def _plain(values: Iterable[Any], in_sqlite: bool) -> tuple[Any, ...]:
    if not in_sqlite:
        return tuple(values)
    return tuple(
        [_text_of(one) if type(one) is datetime else listing(one) if type(one) is list else one for one in values]
    )


def _overwriting(db: Db, table: Table, row: Row) -> UpdateBase:
    insert = db.upsert(table)
    keys = [column.name for column in table.primary_key]
    rest = {name: insert.excluded[name] for name in row if name not in keys}
    done: UpdateBase = insert.on_conflict_do_update(index_elements=keys, set_=rest)
    return done
