"""Moments as they come due: of the homes we hold, never early by the database's clock, never out of the log's turn.

No fence is needed: `reached` stays true after a home is lost, and a wake is looked at again under its person's lock.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.consume import Subscription
from dangol.db import in_transaction
from dangol.errors import Unavailable
from dangol.turns import Haste
from dangol_journey.batch import Settled, TooManyRaised, Workshop, settle_wakes
from dangol_journey.handling import report
from dangol_journey.pace import HELD_BY_MOMENTS, Pace
from dangol_journey.waking import due_people, next_moment

log = structlog.get_logger(__name__)
LOOK_EVERY = {  # on PostgreSQL another worker may have set a moment in a home of ours, and soon
    "sqlite": timedelta(milliseconds=500),
    "postgresql": timedelta(milliseconds=60),
}
TURN_SOON = timedelta(milliseconds=10)  # a moment is due, and records from before it are still to be handled
TURN_LATE = timedelta(milliseconds=80)  # … for longer: the log is behind
SHORTEST = timedelta(milliseconds=1)  # less than a clock's step may be left to a look, and would not pass
BACK_OFF = timedelta(seconds=1)


@dataclass(slots=True)
class Moments:
    """Sleeps until the next moment, and fires it. `ahead` is how far the database's clock is ahead of ours."""

    shop: Workshop
    subscription: Subscription
    next_at: datetime | None = None
    ahead: timedelta = timedelta(0)
    page: int = 0
    pace: Pace = field(default_factory=lambda: Pace(alone=False))
    busy: bool = False
    turn: timedelta = TURN_SOON / 2
    _heard: datetime | None = None
    _look_at: float = 0.0  # loop time: until then what we know is enough
    _poke: asyncio.Event = field(default_factory=asyncio.Event)

    def settled(self, done: Settled) -> None:
        """Learn of a moment that was just saved."""
        if done.wake_at is None:
            return
        self._heard = earlier(self._heard, done.wake_at)
        if self.next_at is None or done.wake_at < self.next_at:
            self.next_at = done.wake_at
            self._poke.set()

    def clock_moved(self) -> None:
        """Look whether the clock has come to the next moment: it may have been moved forward."""
        if self.next_at is not None and self.next_at <= self._now():
            self._poke.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Fire moments until `stop`."""
        self.pace = Pace(alone=self.shop.db.dialect == "sqlite", held_for=HELD_BY_MOMENTS)
        self.page = self.pace.size
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            try:
                if not self._is_due() and asyncio.get_running_loop().time() >= self._look_at:
                    await self._look()
                pause = await self._fire_due()
            except Unavailable as error:
                log.warning(error.message, action="moments_wait")
                pause, self._look_at = BACK_OFF, 0.0
            await self._sleep(pause, stopping)
        stopping.cancel()

    async def next_due(self) -> datetime | None:
        """The earliest moment of anybody."""
        async with self.shop.db.transaction() as conn:
            return await next_moment(conn, range(self.shop.stream.partitions))

    def _is_due(self) -> bool:
        return self.next_at is not None and self.next_at <= self._now()

    def _now(self) -> datetime:
        return self.shop.db.clock() + self.ahead

    async def _look(self) -> None:
        homes = self.subscription.held()
        if not homes:
            self._heard = None
            self._saw(None)
            return
        self._heard = None  # what is saved while we look may be missing from what we see
        async with self.shop.db.transaction() as conn:
            self.ahead = await self.shop.db.now(conn) - self.shop.db.clock()
            seen = await next_moment(conn, homes)
        self._saw(seen)

    def _saw(self, next_at: datetime | None) -> None:
        self.next_at = earlier(next_at, self._heard)
        self._look_at = asyncio.get_running_loop().time() + LOOK_EVERY[self.shop.db.dialect].total_seconds()

    async def _fire_due(self) -> timedelta:
        """Fire all that can be fired; how long to sleep then."""
        while self._is_due():
            if not await self._fire_page():
                self.turn = min(self.turn * 2, TURN_LATE)
                return self.turn
            self.turn = TURN_SOON / 2
        longest = max(SHORTEST, timedelta(seconds=self._look_at - asyncio.get_running_loop().time()))
        return longest if self.next_at is None else min(longest, self.next_at - self._now())

    async def _fire_page(self) -> int:
        """One transaction, which tells the next moment too; how many people it woke."""
        reached = {home: self.subscription.reached(home) for home in self.subscription.held()}
        if not reached:
            self.next_at = None
        horizons = {home: at for home, at in reached.items() if at is not None}
        if not horizons:
            return 0
        self.busy = True
        try:
            work = partial(self._wake, reached=horizons, homes=reached.keys())
            done, seen = await in_transaction(self.shop.db, work, durable=False, haste=Haste.URGENT)
        except DBAPIError:
            if self.page == 1:
                raise
            self.page = max(1, self.page // 2)
            return 1
        except TooManyRaised as error:
            raise Unavailable(f"stopped: {error}") from error
        finally:
            self.busy = False
        self._saw(seen)
        report(done)
        self.pace.took(done.people, done.took)
        self.page = min(self.pace.size, self.page * 2)
        return done.people

    async def _wake(
        self, conn: AsyncConnection, reached: Mapping[int, datetime], homes: Collection[int]
    ) -> tuple[Settled, datetime | None]:
        began = asyncio.get_running_loop().time()
        await self.shop.published.refresh(conn)
        now = await self.shop.db.now(conn)
        self.ahead = now - self.shop.db.clock()
        due = await due_people(conn, {home: min(at, now) for home, at in reached.items()}, self.page)
        done = await settle_wakes(conn, self.shop, due, now)
        done.took = timedelta(seconds=asyncio.get_running_loop().time() - began)
        self._heard = None  # what others save from here on may be missing from what we see
        return done, await next_moment(conn, homes)

    async def _sleep(self, pause: timedelta, stopping: "asyncio.Task[bool]") -> None:
        self._poke.clear()
        poked = asyncio.create_task(self._poke.wait())
        seconds = max(pause.total_seconds(), 0)
        await asyncio.wait({poked, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        poked.cancel()
        with suppress(asyncio.CancelledError):
            await poked


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two moments, where there are two."""
    return min((at for at in (one, other) if at is not None), default=None)
