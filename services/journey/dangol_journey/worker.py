"""The work in the background: records as they come, moments as they come due, publishing, forgetting."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from dangol.consume import Subscription, joined, run_batches
from dangol.errors import Unavailable
from dangol.topics import Topic
from dangol_journey import memory
from dangol_journey.batch import Workshop
from dangol_journey.handling import Handler
from dangol_journey.intake import MEMORY
from dangol_journey.moments import Moments
from dangol_journey.pace import Pace

log = structlog.get_logger(__name__)
GROUP = "journey"
FORGET_EVERY = timedelta(minutes=10)


@dataclass(slots=True)
class Worker:
    """One member of the group that reads `events`."""

    shop: Workshop
    subscription: Subscription
    handler: Handler
    moments: Moments
    joined: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a raise is a bug that ends it."""
        self.joined = await joined(self.subscription, stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                batches = run_batches(
                    self.subscription, self.handler.handle, stop, at_most=lambda: self.handler.pace.size
                )
                tasks.create_task(batches)
                tasks.create_task(self.moments.run(stop))
                tasks.create_task(self.shop.outbox.run(self.subscription.held, stop))
                tasks.create_task(self._forget_by_and_by(stop))
        finally:
            self.joined = False
            await self.subscription.close()

    def why_not_ready(self) -> str | None:
        """Why events are not handled now."""
        return self.handler.halted or (None if self.joined else "has not joined the readers of events yet")

    async def idle(self, now: datetime) -> bool:
        """Whether every record the log has is handled, and no moment is due at `now`."""
        if not self.joined or self.moments.busy:
            return False
        reached = [self.subscription.reached(home) for home in self.subscription.held()]
        if not reached or any(at is None or at < now for at in reached):
            return False
        due = await self.moments.next_due()
        return due is None or due > now

    async def _forget_by_and_by(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(Unavailable):
                while await memory.prune(self.shop.db, self.shop.db.clock() - MEMORY) == memory.PAGE:
                    pass
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FORGET_EVERY.total_seconds())


def open_worker(shop: Workshop, member: str) -> Worker:
    """A worker as `member`, the stable name of this process in the group."""
    subscription = Subscription(shop.stream, shop.db, Topic.EVENTS, GROUP, member)
    moments = Moments(shop, subscription)
    shop.db.after_commit(moments.clock_moved)
    return Worker(
        shop,
        subscription,
        Handler(shop, subscription, moments.settled, Pace(alone=shop.db.dialect == "sqlite")),
        moments,
    )
