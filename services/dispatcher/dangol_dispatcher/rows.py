"""The tables as SQL sees them, and rows put in many at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase

from dangol.db import Db
from dangol.rows import run_many
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


async def put_new(db: Db, conn: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; one whose key is there already changes nothing."""
    if rows:
        await run_many(conn, ("put new", table.name), lambda: db.upsert(table).on_conflict_do_nothing(), rows)


async def put(db: Db, conn: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; one whose key is there already is overwritten."""
    if rows:
        key = [column.name for column in table.primary_key]
        await run_many(conn, ("put", table.name), lambda: _overwriting(db, table, rows[0]), rows, key)


def _overwriting(db: Db, table: Table, row: Row) -> UpdateBase:
    insert = db.upsert(table)
    keys = [column.name for column in table.primary_key]
    rest = {name: insert.excluded[name] for name in row if name not in keys}
    done: UpdateBase = insert.on_conflict_do_update(index_elements=keys, set_=rest)
    return done
