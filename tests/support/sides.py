"""Dispatcher's shop on either database: its moment, and time that passes without anybody waiting for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Interval, Table, literal, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.clock import utc_now
from dangol.db import UtcDateTime, in_transaction
from dangol.documents import Document
from dangol.messages import Message
from dangol_dispatcher.rows import ATTEMPT, DELIVERY, GATEWAY, MESSAGE, RECEIPT, SWITCH
from tests.support.dispatching import Shop, WoundClock, a_message, open_shop

MOMENTS: tuple[Table, ...] = (MESSAGE, DELIVERY, ATTEMPT, GATEWAY, RECEIPT, SWITCH)


class RealClock(WoundClock):
    """The machine's clock, for a database that has its own."""

    def __call__(self) -> datetime:
        """Now."""
        return utc_now()


@asynccontextmanager
async def open_side(url: str, published: Sequence[Document]) -> AsyncIterator[Shop]:
    """A shop over the migrated database at `url`: its clock is wound on SQLite, and the server's on PostgreSQL."""
    clock = WoundClock(utc_now()) if url.startswith("sqlite") else RealClock()
    async with open_shop(url, clock, published) as shop:
        yield shop


def now_asked(shop: Shop, id: str = "m1", **given: Any) -> Message:
    """A message asked now; of an enrolment of its own."""
    return a_message(id, **({"at": shop.clock(), "enrolment": f"e-{id}"} | given))


async def let_pass(shop: Shop, span: timedelta) -> None:
    """Let time pass: the clock is moved; where it is the server's, everything stored becomes as much older."""
    if shop.db.dialect == "sqlite":
        shop.clock.move(span)
        return

    async def age(conn: AsyncConnection) -> None:
        for table in MOMENTS:
            moments = [column for column in table.columns if isinstance(column.type, UtcDateTime)]
            older = {one.name: one.op("-", return_type=one.type)(literal(span, Interval)) for one in moments}
            await conn.execute(update(table).values(older))

    await in_transaction(shop.db, age)
