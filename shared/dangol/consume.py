"""A group's place in a topic: read from it, save it with what the records led to, lose it without harm."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import metrics
from dangol.db import Db, in_transaction
from dangol.errors import Lost, Unavailable
from dangol.positions import Held, Move, load_positions, save_positions, take_positions
from dangol.stream import Record, Stream
from dangol.topics import Topic

log = structlog.get_logger(__name__)
RAISES_IN_A_ROW = 5  # of a handler: then the worker stops
DRAINED_WITHIN = 2.0  # seconds a rebalance waits for the batch in hand
LEFT_ALONE = 10.0  # seconds a partition another took is left to him, unless a rebalance says otherwise
BACK_OFF = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds
JOIN_AGAIN = 1.0  # seconds
RESTS_AT_MOST = 0.1  # seconds after a batch, where all wait for one connection
RESTS_UNHURRIED = 0.001, 0.25  # seconds after a batch, for each of its records and at most, where nobody waits for it


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in each partition's order, and the moves of the position that saving them is. All held partitions move,
    if only from where they are to where they are: so even a batch without records cannot be saved by who lost one."""

    records: Sequence[Record]
    moves: tuple[Move, ...]


@dataclass(slots=True)
class Place:
    """Where we are in one held partition: `saved` is committed, `moved` will be once the batches in hand are, `read` is
    what the reader gives next; `waiting_at` is the log's moment of the first unsaved record."""

    epoch: int
    saved: int
    moved: int
    read: int
    waiting_at: datetime | None = None
    wrong: str | None = None  # why we do not read on


class Subscription:
    """One member's reading of a topic for a group, its positions kept in our database and fenced by an epoch."""

    def __init__(self, stream: Stream, db: Db, topic: Topic, group: str, member: str) -> None:
        self._db, self._topic, self.group, self._member = db, topic, group, member
        self._reader = stream.reader(topic, group, member, self._reassigned)
        self._assigned: frozenset[int] = frozenset()
        self._places: dict[int, Place] = {}
        self._lost: dict[int, float] = {}  # when another turned out to hold what was assigned to us
        self._taking = asyncio.Lock()
        self._in_background: asyncio.Task[None] | None = None
        self._unsure = False  # a commit's outcome is unknown: read the positions again
        self._in_hand = 0
        self._empty_hands = asyncio.Event()
        self._empty_hands.set()

    async def start(self) -> None:
        """Join the group."""
        await self._reader.start()

    async def close(self) -> None:
        """Leave it. Positions stay."""
        await self._reader.close()
        if self._in_background:
            await asyncio.wait([self._in_background])
        self._places = {}

    @property
    def in_turn(self) -> bool:
        """Whether everybody else waits for the one connection while a batch is saved."""
        return self._db.dialect == "sqlite"

    def held(self) -> frozenset[int]:
        """The partitions whose positions are ours."""
        return frozenset(self._places)

    async def read(self, at_most: int, wait: timedelta) -> Batch:
        """The next records, at most so many; none after `wait`. Raises `Unavailable` when the log or database can't."""
        await self._take_missing()
        if self._unsure:
            await self._reload()
        await self._reader.show({partition: place.saved for partition, place in self._places.items()})
        records = await self._reader.read(at_most, wait)
        try:
            await self._take_missing()  # a rebalance while we waited: only what we still hold counts
        except Unavailable:
            self._unsure = True  # these records must be read again
            raise
        return self._batch([record for record in records if self._expected(record)])

    async def save(self, conn: AsyncConnection, batch: Batch) -> None:
        """The first statement of the batch's transaction. Raises `Lost` if any partition is another's by now."""
        await save_positions(conn, self._topic, self.group, batch.moves)

    def saved(self, batch: Batch) -> None:
        """Say that the batch's transaction committed."""
        self._put_down(batch, "saved")
        for move in batch.moves:
            place = self._places.get(move.partition)
            if place and place.epoch == move.epoch:
                place.saved = max(place.saved, move.to)
                if place.saved == place.moved:
                    place.waiting_at = None

    def rewind(self, batch: Batch) -> None:
        """Say that it rolled back, was `Lost`, or that nobody knows: the database is asked before we read on."""
        self._put_down(batch, "rewound")
        self._unsure = True

    def reached(self, partition: int) -> datetime | None:
        """A moment such that every record the log took before it was read and saved; None if not known or not ours."""
        place = self._places.get(partition)
        if place is None or place.wrong or self._unsure:
            return None
        return place.waiting_at or self._reader.reached(partition)

    def stuck(self) -> str | None:
        """Why a partition stands still though log and database are well; None while none does."""
        return next((place.wrong for place in self._places.values() if place.wrong), None) or self._reader.stuck()

    async def _reassigned(self, partitions: Collection[int]) -> None:
        """Called by the reader, before it reads on: finish the batch in hand, then take what is ours now."""
        try:
            async with asyncio.timeout(DRAINED_WITHIN):
                await self._empty_hands.wait()
        except TimeoutError:
            log.warning("a rebalance did not wait for the batch in hand", action="batch_overtaken", group=self.group)
        self._assigned, self._places, self._lost = frozenset(partitions), {}, {}
        metrics.REBALANCES.labels(self._topic, self.group).inc()
        # the reader may be closed in the middle of this: a transaction is not to be torn
        self._in_background = asyncio.create_task(self._take_soon())
        await asyncio.shield(self._in_background)

    async def _take_soon(self) -> None:
        try:
            await self._take_missing()
        except Unavailable as error:  # `read` takes them before it reads
            log.warning("positions not taken yet", action="positions_late", group=self.group, error=error.message)

    async def _take_missing(self) -> None:
        async with self._taking:
            now = asyncio.get_running_loop().time()
            lost = {partition for partition, at in self._lost.items() if now < at + LEFT_ALONE}
            missing = sorted(self._assigned - self._places.keys() - lost)
            if not missing:
                return
            taken = await in_transaction(
                self._db, lambda conn: take_positions(self._db, conn, self._topic, self.group, self._member, missing)
            )
            await self._learn_doubtful(taken)
            for held in taken:
                if held.partition in self._assigned:
                    self._settle(held)
        log.info("partitions taken", action="partitions_taken", topic=self._topic, group=self.group, partitions=missing)

    async def _reload(self) -> None:
        async with self._db.transaction() as conn:
            found = await load_positions(conn, self._topic, self.group)
        await self._learn_doubtful([held for held in found if held.partition in self._places])
        self._unsure = False
        for held in found:
            place = self._places.get(held.partition)
            if place and place.epoch == held.epoch:
                self._settle(held)
            elif place:
                del self._places[held.partition]
                self._lost[held.partition] = asyncio.get_running_loop().time()

    async def _learn_doubtful(self, found: Sequence[Held]) -> None:
        """How far the log goes was asked when a partition was assigned; it may have grown since."""
        ends = {held: self._reader.end_offset(held.partition) for held in found}
        doubtful = [held.partition for held, end in ends.items() if end is not None and held.position > end]
        if doubtful:
            await self._reader.learn(doubtful)

    def _settle(self, held: Held) -> None:
        """Read this partition from its saved position, once that was held against what the log has."""
        first, end = self._reader.first_offset(held.partition), self._reader.end_offset(held.partition)
        place = Place(held.epoch, held.position, held.position, held.position)
        start = held.position
        if end is not None and held.position > end:
            place.wrong = f"{self._topic}/{held.partition}: position {held.position} is beyond the log's end {end}"
            log.error(place.wrong, action="position_beyond_end", group=self.group)
        elif first is not None and held.position < first:
            start = place.read = first
            if held.position:
                metrics.OFFSET_GAPS.labels(self._topic, self.group).inc(first - held.position)
                log.error(
                    "the log no longer has these records",
                    action="offset_gap",
                    topic=self._topic,
                    group=self.group,
                    partition=held.partition,
                    position=held.position,
                    first=first,
                )
        self._places[held.partition] = place
        self._reader.seek(held.partition, start)

    def _expected(self, record: Record) -> bool:
        place = self._places.get(record.partition)
        return place is not None and place.wrong is None and record.offset >= place.read

    def _batch(self, records: Sequence[Record]) -> Batch:
        for record in records:
            place = self._places[record.partition]
            place.read = record.offset + 1
            place.waiting_at = place.waiting_at or record.at
        moves = tuple(
            Move(partition, place.moved, place.read, place.epoch)
            for partition, place in sorted(self._places.items())
            if not place.wrong
        )
        for move in moves:
            self._places[move.partition].moved = move.to
        if records:
            self._in_hand += 1
            self._empty_hands.clear()
            metrics.RECORDS_READ.labels(self._topic, self.group).inc(len(records))
        return Batch(records, moves)

    def _put_down(self, batch: Batch, ended: str) -> None:
        if batch.records:
            metrics.BATCHES.labels(self.group, ended).inc()
            self._in_hand -= 1
            if not self._in_hand:
                self._empty_hands.set()


async def joined(subscription: Subscription, stop: asyncio.Event) -> bool:
    """Join the group, again and again while log or database can't be had; False where we were stopped before."""
    while not stop.is_set():
        try:
            await subscription.start()
        except Unavailable as error:
            log.warning(error.message, action="joining_waits")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), JOIN_AGAIN)
        else:
            return True
    return False


async def run_batches(
    subscription: Subscription,
    handle: Callable[[Batch], Awaitable[None]],
    stop: asyncio.Event,
    *,
    at_most: int | Callable[[], int] = 1000,
    wait: timedelta = timedelta(milliseconds=500),
    unhurried: Callable[[], bool] = lambda: False,
) -> None:
    """Hand each batch with records to `handle`, which saves it in its transaction, until `stop`; `at_most` so many.

    A batch that is `Lost` is dropped, one that met `Unavailable` is repeated after a pause, and any other raise is
    too, until it happened `RAISES_IN_A_ROW` times: then it is raised, and the worker is over. On a database of one
    connection a batch that was not full is followed by a rest as long as it took: the next is larger, and costs less.
    While `unhurried` nothing waits for what the batch leads to, so the rest is longer, by how many records there were.
    """
    raises = refusals = 0
    while not stop.is_set():
        try:
            size = at_most() if callable(at_most) else at_most
            done, took = await _one_batch(subscription, handle, size, wait)
            rest = _rest(subscription, done, size, took, unhurried=unhurried())
            raises = refusals = 0
            if rest:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), rest)
        except Lost as error:
            log.warning(error.message, action="batch_lost")
        except Unavailable as error:
            log.warning(error.message, action="batch_waits")
            refusals += 1
        except Exception:  # the one broad except: a bug must not lose the record, nor spin
            raises += 1
            log.exception("a batch raised", action="batch_raised", in_a_row=raises)
            if raises >= RAISES_IN_A_ROW:
                raise
        if raises or refusals:
            pause = BACK_OFF[min(raises + refusals, len(BACK_OFF)) - 1]
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)


async def _one_batch(
    subscription: Subscription, handle: Callable[[Batch], Awaitable[None]], at_most: int, wait: timedelta
) -> tuple[int, float]:
    """Handle the next records, if there are any; how many, and how many seconds it took."""
    batch = await subscription.read(at_most, wait)
    if not batch.records:
        return 0, 0
    began = asyncio.get_running_loop().time()
    try:
        with metrics.BATCH_SECONDS.labels(subscription.group).time():
            await handle(batch)
    except BaseException:
        subscription.rewind(batch)
        raise
    subscription.saved(batch)
    return len(batch.records), asyncio.get_running_loop().time() - began


def _rest(subscription: Subscription, records: int, at_most: int, took: float, *, unhurried: bool) -> float:
    """How many seconds to wait for more, after a batch that took all there was."""
    if records >= at_most:
        return 0
    if unhurried:
        each, longest = RESTS_UNHURRIED
        return min(records * each, longest)
    return min(took, RESTS_AT_MOST) if subscription.in_turn else 0
