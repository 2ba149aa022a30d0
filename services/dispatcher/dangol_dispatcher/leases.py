"""Leases: how long a claim stands; what a call may outlast is renewed, so that a killed worker's are soon free."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase

from dangol.db import Db, in_transaction
from dangol.errors import Unavailable
from dangol.rows import among, read, run_many
from dangol_dispatcher.model import Claimed
from dangol_dispatcher.rows import DELIVERY, MESSAGE

log = structlog.get_logger(__name__)
MOMENT = MESSAGE.c.due_at.type
# A lease outlives the gateway's deadline by this, unless that is longer than LONGEST: then it is renewed.
LEASE_BEYOND = timedelta(seconds=10)
# A gateway is asked to answer within its deadline; 2 s past it the call is left alone, and nobody knows.
BEYOND_DEADLINE = timedelta(seconds=2)
# A renewed lease outlives its call by this, as others do: time to record an answer that comes at the last moment.
TO_RECORD = LEASE_BEYOND - BEYOND_DEADLINE
LONGEST = timedelta(seconds=30)  # a lease; so long at most what a killed worker tried is nobody's
RENEWED_EVERY = LONGEST / 3
TRIED_AGAIN = timedelta(seconds=1)  # where the database could not


def lease_of(deadline: timedelta) -> timedelta:
    """How long a claim stands by itself, for a gateway that answers within `deadline`."""
    return min(deadline + LEASE_BEYOND, LONGEST)


def is_renewed(deadline: timedelta) -> bool:
    """Whether a call may outlast its lease."""
    return lease_of(deadline) < deadline + LEASE_BEYOND


def least_left(deadline: timedelta) -> timedelta:
    """What must be left of a lease at the last look: so long after it the call is over, or its lease was renewed."""
    return LONGEST - RENEWED_EVERY if is_renewed(deadline) else deadline + BEYOND_DEADLINE


async def renew(db: Db, conn: AsyncConnection, claimed: Sequence[Claimed]) -> set[str]:
    """A whole lease from now for those of these that are still ours; their deliveries. A lease that ended unnoticed is
    renewed too: what counts is that nobody took over."""

    def locked() -> Select[Any]:
        return select(MESSAGE.c.id).where(among(conn, MESSAGE.c.id, "ids")).order_by(MESSAGE.c.id).with_for_update()

    def standing() -> Select[Any]:
        return (
            select(DELIVERY.c.id, DELIVERY.c.fence)
            .join(MESSAGE, MESSAGE.c.delivery == DELIVERY.c.id)
            .where(among(conn, MESSAGE.c.id, "ids"), MESSAGE.c.status == "claimed", DELIVERY.c.status == "claimed")
        )

    until = await db.now(conn) + LONGEST
    ids = sorted(one.message for one in claimed)
    if conn.dialect.name != "sqlite":  # there the transaction is the lock
        await read(conn, ("lock leases",), locked, ids=ids)
    fences = {row.id: row.fence for row in await read(conn, ("leases",), standing, ids=ids)}
    ours = [one for one in claimed if fences.get(one.delivery) == one.fence]
    if ours:
        await run_many(conn, ("renew",), _due_later, [{"of": one.message, "until": until} for one in ours], ["of"])
        await run_many(conn, ("renew lease",), _lasting, [{"of": one.delivery, "until": until} for one in ours], ["of"])
    return {one.delivery for one in ours}


def _due_later() -> UpdateBase:
    return update(MESSAGE).where(MESSAGE.c.id == bindparam("of")).values(due_at=bindparam("until", type_=MOMENT))


def _lasting() -> UpdateBase:
    return update(DELIVERY).where(DELIVERY.c.id == bindparam("of")).values(lease_until=bindparam("until", type_=MOMENT))


@dataclass(frozen=True, slots=True, eq=False)
class Out:
    """A call that is out: what it tries, what cuts it off, and until when (loop time) it may be out at all."""

    claimed: Sequence[Claimed]
    limit: asyncio.Timeout
    at_latest: float


class Leases:
    """The calls of one desk that may outlast their leases: all renewed together, a third of a lease apart.

    A call ends before its lease: where the database is away for as long, or another took over, it is cut off, and
    nobody knows. So what is found after a lease has ended is surely not being called.
    """

    def __init__(self, db: Db) -> None:
        self._db = db
        self._out: set[Out] = set()
        self._next: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None

    @contextmanager
    def kept(self, out: Out) -> Iterator[None]:
        """Within the block the leases are renewed, and `limit` moves on with them."""
        self._out.add(out)
        if self._next is None and self._renewing is None:
            self._again(RENEWED_EVERY)
        try:
            yield
        finally:
            self._out.discard(out)

    async def renew(self) -> None:
        """All that are out, in one transaction; raises `Unavailable`."""
        out, loop = list(self._out), asyncio.get_running_loop()
        if not out:
            return
        began = loop.time()
        ends = began + (LONGEST - TO_RECORD).total_seconds()
        claimed = [one for call in out for one in call.claimed]
        ours = await in_transaction(self._db, lambda conn: renew(self._db, conn, claimed), durable=False)
        for call in out:
            still = all(one.delivery in ours for one in call.claimed)
            if call in self._out and not call.limit.expired():  # others came back meanwhile
                call.limit.reschedule(min(call.at_latest, ends) if still else began)

    def _again(self, after: timedelta) -> None:
        self._next = asyncio.get_running_loop().call_later(after.total_seconds(), self._begin)

    def _begin(self) -> None:
        self._next = None
        if self._out:
            self._renewing = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        after = TRIED_AGAIN
        try:
            await self.renew()
            after = RENEWED_EVERY
        except Unavailable as error:
            log.warning(error.message, action="renewing_waits")
        except Exception:  # whatever went wrong with one renewal: without the next, every call that is out is cut off
            log.exception("leases could not be renewed", action="renewing_failed")
        finally:
            self._renewing = None
            if self._out:
                self._again(after)
