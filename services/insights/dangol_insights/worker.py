"""Reads events and decisions into the archive, each batch with its position in one transaction."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import metrics
from dangol.codec import decode_decision, decode_event
from dangol.consume import Batch, Subscription, joined, run_batches
from dangol.db import Db, in_transaction
from dangol.errors import Invalid
from dangol.service import House
from dangol.topics import Topic
from dangol.turns import Haste
from dangol_insights.archive import save_decisions, save_events
from dangol_insights.model import GROUP

log = structlog.get_logger(__name__)
T = TypeVar("T")
AT_MOST = 500  # records a batch, where others wait for the same connection
AT_MOST_APART = 1000  # … where nobody does


class Reading:
    """The two subscriptions, and what a batch of each becomes."""

    def __init__(self, house: House, db: Db, kept: Callable[[], None]) -> None:
        self._db, self._kept = db, kept
        # Apart, a batch waits for its disk: the log is pruned by what was saved, and nobody else waits.
        self._apart = db is not house.db
        self._unhurried = lambda: not house.inbox_only()  # while the clock is moved, each moment waits for the archive
        self.events = _subscription(house, db, Topic.EVENTS)
        self.decisions = _subscription(house, db, Topic.DECISIONS)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`."""
        both = ((self.events, self._keep_events), (self.decisions, self._keep_decisions))
        for subscription, _ in both:
            await joined(subscription, stop)
        at_most = AT_MOST_APART if self._apart else AT_MOST
        try:
            async with asyncio.TaskGroup() as tasks:
                for subscription, keep in both:
                    tasks.create_task(run_batches(subscription, keep, stop, at_most=at_most, unhurried=self._unhurried))
        finally:
            for subscription, _ in both:
                await subscription.close()

    def caught_up(self, now: datetime) -> bool:
        """Whether every record the log took before `now` is in the archive."""
        return all(_reached(subscription, now) for subscription in (self.events, self.decisions))

    def stuck(self) -> str | None:
        """Why one of them stands still though log and database are well."""
        return self.events.stuck() or self.decisions.stuck()

    async def _keep_events(self, batch: Batch) -> None:
        events = decoded(batch, decode_event, Topic.EVENTS)

        async def work(conn: AsyncConnection) -> None:
            await self.events.save(conn, batch)
            await save_events(conn, events)

        await in_transaction(self._db, work, durable=self._apart, haste=Haste.PATIENT)
        self._kept()

    async def _keep_decisions(self, batch: Batch) -> None:
        decisions = decoded(batch, decode_decision, Topic.DECISIONS)

        async def work(conn: AsyncConnection) -> None:
            await self.decisions.save(conn, batch)
            await save_decisions(conn, decisions)

        await in_transaction(self._db, work, durable=self._apart, haste=Haste.PATIENT)
        self._kept()


def decoded(batch: Batch, decode: Callable[[bytes], T], topic: Topic) -> Sequence[T]:
    """The payloads of a batch, without those that are none: they are logged and counted."""
    found = []
    for record in batch.records:
        try:
            found.append(decode(record.value))
        except Invalid as error:
            metrics.RECORDS_SKIPPED.labels(topic, GROUP).inc()
            log.error(error.message, action="record_skipped", partition=record.partition, offset=record.offset)
    return found


def _subscription(house: House, db: Db, topic: Topic) -> Subscription:
    return Subscription(house.stream, db, topic, GROUP, house.settings.member)


def _reached(subscription: Subscription, now: datetime) -> bool:
    held = subscription.held()
    return bool(held) and all((at := subscription.reached(one)) is not None and at >= now for one in held)
