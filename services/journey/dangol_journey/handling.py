"""A batch of records as transactions: one where nothing goes wrong, halves where the database refuses its data."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import metrics
from dangol.consume import Batch, Subscription
from dangol.db import in_transaction
from dangol.errors import Unavailable
from dangol.positions import Move
from dangol_journey.acting import JoinRaised
from dangol_journey.batch import Settled, TooManyRaised, Workshop, settle_events
from dangol_journey.gathering import Moved
from dangol_journey.intake import read
from dangol_journey.pace import Pace

log = structlog.get_logger(__name__)
MOST_MOVES = 20  # of ids that change hands while we wait, before the batch is left for later


@dataclass(slots=True)
class Handler:
    """Settles batches. `halted` says why it does not, while too many people's inputs raise."""

    shop: Workshop
    subscription: Subscription
    settled: Callable[[Settled], None]
    pace: Pace = field(default_factory=lambda: Pace(alone=False))
    halted: str | None = field(default=None)

    async def handle(self, batch: Batch) -> None:
        """Commit all that the batch leads to. Raises `Lost` and `Unavailable`, as `run_batches` wants it."""
        try:
            await self._settle(batch)
        except TooManyRaised as error:
            first, *_, last = str(error).splitlines()  # anybody may ask whether we are ready: the log has the whole
            self.halted = f"stopped: {first} {last}"
            log.error("too many inputs raised: nothing is committed", action="journey_halted", error=str(error))
            raise Unavailable("stopped: too many inputs raised") from error
        self.halted = None

    async def _settle(self, batch: Batch) -> None:
        try:
            await self._commit(batch, {})
        except DBAPIError as error:
            if len(batch.records) > 1:
                for half in halves(batch):
                    await self._settle(half)
            else:
                await self._commit(batch, {event.id: str(error) for event in read(batch.records).events})

    async def _commit(self, batch: Batch, refused: Mapping[str, str]) -> None:
        moved = 0
        while moved < MOST_MOVES:
            try:
                done = await in_transaction(self.shop.db, self._work(batch, refused), durable=False)
            except Moved:
                moved += 1
            except JoinRaised as error:
                refused = {**refused, error.event.id: error.error}
            else:
                report(done)
                self.pace.took(len(batch.records), done.took)
                self.settled(done)
                return
        raise Unavailable("the ids of a batch keep changing hands")

    def _work(self, batch: Batch, refused: Mapping[str, str]) -> Callable[[AsyncConnection], Awaitable[Settled]]:
        found = read(batch.records)

        async def work(conn: AsyncConnection) -> Settled:
            began = asyncio.get_running_loop().time()
            await self.shop.published.refresh(conn)
            await self.subscription.save(conn, batch)
            now = await self.shop.db.now(conn)
            done = await settle_events(conn, self.shop, found.events, now, refused=refused, unreadable=found.unreadable)
            done.took = timedelta(seconds=asyncio.get_running_loop().time() - began)
            return done

        return work


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The batch as two, one to be saved after the other."""
    middle = len(batch.records) // 2
    first, second = batch.records[:middle], batch.records[middle:]
    reached = {record.partition: record.offset + 1 for record in first}
    moves = [(move, reached.get(move.partition, move.seen)) for move in batch.moves]
    return (
        Batch(first, tuple(Move(move.partition, move.seen, at, move.epoch) for move, at in moves)),
        Batch(second, tuple(Move(move.partition, at, move.to, move.epoch) for move, at in moves)),
    )


def report(done: Settled) -> None:
    """Count what one transaction did."""
    metrics.PEOPLE_ADVANCED.inc(done.people)
    metrics.INPUTS_SET_ASIDE.inc(done.asides)
    for (verdict, reason), times in done.decisions.items():
        metrics.DECISIONS.labels("journey", verdict, reason).inc(times)
    for seconds in done.late_by:
        metrics.MOMENT_LATENESS.observe(seconds)
