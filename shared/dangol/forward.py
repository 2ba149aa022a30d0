"""Moving the clock of `dangol up` forward, from one due moment to the next, letting each be done at its own time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from dangol.clock import MovingClock
from dangol.db import Db
from dangol.errors import Unavailable
from dangol.service import Service

SETTLE_WITHIN = timedelta(seconds=30)
FORWARD_WITHIN = timedelta(seconds=50)
BREATH = 0.005  # between two looks at whether all is done


@dataclass(frozen=True)
class Moved:
    """How far the clock went: `moments` were done on the way, `next_due` is the one after."""

    started_at: datetime
    now: datetime
    moments: int
    next_due: datetime | None
    reached: bool


class Forward:
    """The one who moves the clock; one move at a time. While it moves, every gateway is the inbox."""

    def __init__(self, clock: MovingClock, services: Callable[[], Sequence[Service]], db: Db) -> None:
        self.clock, self.services, self.db = clock, services, db
        self.moving = False
        self._one = asyncio.Lock()

    def inbox_only(self) -> bool:
        """Whether gateways must not be called now."""
        return self.moving

    async def next_due(self) -> datetime | None:
        """The earliest moment something becomes due, over all services."""
        moments = [await service.next_due() for service in self.services()]
        return min((moment for moment in moments if moment), default=None)

    async def by(self, span: timedelta) -> Moved:
        """Move by a span, stopping at every due moment on the way."""
        return await self._guarded(lambda: self._to(self.clock() + span))

    async def to_next(self) -> Moved:
        """Move to the next due moment, and let it be done."""
        return await self._guarded(self._next)

    async def _guarded(self, move: Callable[[], Awaitable[Moved]]) -> Moved:
        async with self._one:
            self.moving = True
            try:
                return await move()
            finally:
                self.moving = False

    async def _next(self) -> Moved:
        started = self.clock()
        await self.settle()
        due = await self.next_due()
        if due is None:
            return Moved(started, self.clock(), 0, None, reached=True)
        await self._show(due)
        await self.settle()
        return Moved(started, self.clock(), 1, await self.next_due(), reached=True)

    async def _to(self, target: datetime) -> Moved:
        started, moments = self.clock(), 0
        loop = asyncio.get_running_loop()
        give_up = loop.time() + FORWARD_WITHIN.total_seconds()
        await self.settle()
        while (due := await self.next_due()) is not None and due <= target:
            if loop.time() > give_up:
                return Moved(started, self.clock(), moments, due, reached=False)
            await self._show(due)
            await self.settle()
            moments += 1
        await self._show(target)
        await self.settle()
        return Moved(started, self.clock(), moments, await self.next_due(), reached=True)

    async def _show(self, moment: datetime) -> None:
        """Move, and remember how far ahead we are; the commit wakes every loop that sleeps."""
        self.clock.move_to(moment)
        async with self.db.transaction() as conn:
            await conn.execute(
                text(
                    "INSERT INTO movedclock (id, ahead) VALUES (1, :ahead)"
                    " ON CONFLICT (id) DO UPDATE SET ahead = excluded.ahead"
                ),
                {"ahead": self.clock.ahead.total_seconds()},
            )

    async def settle(self) -> None:
        """Wait until every service has done all it can at this moment; raises `Unavailable` when one does not."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + SETTLE_WITHIN.total_seconds()
        quiet = 0
        while quiet < 2:
            busy = [service.name for service in self.services() if not await service.idle(self.clock())]
            quiet = 0 if busy else quiet + 1
            if loop.time() > give_up:
                raise Unavailable(
                    f"the clock stands at {self.clock():%Y-%m-%d %H:%M:%S}: still busy: {', '.join(busy)}"
                )
            await asyncio.sleep(BREATH)


async def saved_ahead(db: Db) -> timedelta:
    """How far ahead the clock was when the product last ran here."""
    async with db.transaction() as conn:
        seconds = (await conn.execute(text("SELECT ahead FROM movedclock WHERE id = 1"))).scalar()
    return timedelta(seconds=float(seconds or 0))
