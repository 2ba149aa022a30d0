"""Reads from the brokers as a member of a group, from positions it is told; notices when it stands still."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, IllegalStateError, KafkaError

from dangol import metrics
from dangol.errors import Unavailable
from dangol.kafka.connection import CONSUMER, Connection
from dangol.kafka.progress import Progress, moment_of
from dangol.stream import Reassigned, Record
from dangol.topics import Topic

log = structlog.get_logger(__name__)
STARTS_WITHIN = 30.0  # seconds; a group waits for its members
CLOSES_WITHIN = 5.0
STANDS_STILL = 30.0  # seconds without an answer, or with records that do not come: make another consumer
ASKED_EVERY = 10.0  # seconds between two reads, else the worker is busy with something else
STUCK = 60.0  # … and then say so
SHOWN_EVERY = 5.0  # seconds; the broker's offsets are a display of our lag
TRIES = 3  # of a record that cannot be fetched
CAREFUL_FOR = 50  # reads after one


class KafkaReader:
    """A consumer of one topic. Its own idea of the offsets is what counts, never the group's committed ones."""

    def __init__(
        self,
        connection: Connection,
        topic: Topic,
        names: tuple[str, str, str],
        reassigned: Reassigned,
        log_is_well: Callable[[], bool],
    ) -> None:
        """`names`: of the topic on the brokers, of the group there, of this member."""
        self._connection, self._topic, self._names = connection, topic, names
        self._reassigned, self._log_is_well = reassigned, log_is_well
        self._consumer: Any = None
        self._held: dict[int, Progress] = {}
        self._moved_at = self._asked_at = self._shown_at = 0.0
        self._carefully = 0  # so many more reads, one record at a time
        self._taken = asyncio.Event()

    async def start(self) -> None:
        """See the port."""
        topic, group, member = self._names
        consumer = AIOKafkaConsumer(
            group_id=group, group_instance_id=member, client_id=member, **self._connection.arguments(), **CONSUMER
        )
        consumer.subscribe([topic], listener=_Listener(self))
        self._consumer, self._moved_at = consumer, _now()
        self._taken.clear()
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                await consumer.start()
                await self._taken.wait()  # the listener is called meanwhile, and may not be done
        except (KafkaError, TimeoutError, OSError) as error:
            await self._discard()
            raise Unavailable(f"the group {group} cannot be joined: {error or 'no answer in time'}") from error

    async def read(self, at_most: int, wait: timedelta) -> Sequence[Record]:
        """See the port."""
        if self._asked_at < _now() - ASKED_EVERY:  # nobody asked for a while: it did not stand still, it waited
            self._moved_at = _now()
        self._asked_at = _now()
        if self._consumer is None or self._stands_still(STANDS_STILL):
            await self._renew()
        try:
            records = await self._read_on(at_most, wait)
        except CorruptRecordException:
            self._be_careful()
            return []
        except (KafkaError, ConsumerStoppedError, OSError) as error:
            await self._discard()
            raise Unavailable(f"the log cannot be read: {error!r}") from error
        self._note_answers()
        if records:
            self._moved_at = _now()
        return records

    def seek(self, partition: int, position: int) -> None:
        """See the port."""
        before = self._held.get(partition, Progress(0))
        self._held[partition] = Progress(position, sought=True, first=before.first, end=before.end)
        with suppress(IllegalStateError):  # taken away again meanwhile: the next listener's call is on its way
            self._consumer.seek(self._place(partition), position)

    def reached(self, partition: int) -> datetime | None:
        """See the port. It follows the worker's clock by some 50 ms while the partition is read to its end."""
        self._note_answers()
        progress = self._held.get(partition)
        return progress.reached() if progress else None

    def first_offset(self, partition: int) -> int | None:
        """See the port."""
        progress = self._held.get(partition)
        return progress.first if progress else None

    def end_offset(self, partition: int) -> int | None:
        """See the port."""
        progress = self._held.get(partition)
        return progress.end if progress else None

    async def learn(self, partitions: Collection[int]) -> None:
        """See the port."""
        if self._consumer is None:
            return
        first, end = await _bounds(self._consumer, [self._place(partition) for partition in partitions])
        for partition in partitions:
            if progress := self._held.get(partition):
                place = self._place(partition)
                progress.first, progress.end = first.get(place), end.get(place)

    def stuck(self) -> str | None:
        """See the port."""
        wrong = next((one.wrong for one in self._held.values() if one.wrong), None)
        if wrong:
            return wrong
        if self._log_is_well() and self._stands_still(STUCK):
            return f"the reader of {self._names[0]} in {self._names[1]} gets nothing from a log that is well"
        return None

    async def show(self, positions: Mapping[int, int]) -> None:
        """Commit them to the broker, for whoever displays our lag; failures do not matter."""
        if self._consumer is None or not positions or _now() < self._shown_at + SHOWN_EVERY:
            return
        self._shown_at = _now()
        for partition, progress in self._held.items():
            lag = (progress.highwater or 0) - positions.get(partition, progress.next)
            metrics.LAG.labels(self._topic, self._names[1], str(partition)).set(max(0, lag))
        with suppress(KafkaError, IllegalStateError, TimeoutError):
            async with asyncio.timeout(1):
                await self._consumer.commit({self._place(p): position for p, position in positions.items()})

    async def close(self) -> None:
        """See the port. The group keeps the partitions for this member's name for a while."""
        await self._discard()

    # called by the listener

    async def revoked(self) -> None:
        """The group is about to share the partitions out anew."""
        await self._reassigned([])
        self._held = {}

    async def assigned(self, places: Collection[TopicPartition]) -> None:
        """These are ours now: learn how far the log goes, then let the positions be taken."""
        consumer = self._consumer
        first, end = await _bounds(consumer, places)
        if self._consumer is not consumer:  # given up while it was being asked
            return
        self._held = {place.partition: Progress(0, first=first.get(place), end=end.get(place)) for place in places}
        self._moved_at = _now()
        await self._reassigned([place.partition for place in places])
        self._taken.set()

    # inside

    async def _read_on(self, at_most: int, wait: timedelta) -> list[Record]:
        if self._carefully:
            return await self._read_carefully()
        found = await self._consumer.getmany(timeout_ms=int(wait.total_seconds() * 1000), max_records=at_most)
        return [record for place, ones in found.items() for record in self._records(place.partition, ones)]

    async def _renew(self) -> None:
        if self._consumer is not None:
            log.warning("a reader stood still and is made anew", action="reader_renewed", topic=self._names[0])
        await self._discard()
        await self.start()

    async def _discard(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        with suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(CLOSES_WITHIN):
                await consumer.stop()

    def _reading(self) -> Mapping[int, Progress]:
        """Those that somebody told where to start, and that are not given up."""
        return {partition: one for partition, one in self._held.items() if one.sought and not one.wrong}

    def _records(self, partition: int, found: Iterable[Any]) -> list[Record]:
        progress = self._reading().get(partition)
        if progress is None:
            return []
        records = []
        for one in found:
            if one.offset < progress.next:
                self._refuse(partition, progress, one.offset)
                break
            if one.offset > progress.next > 0:
                self._tell_gap(partition, progress, one.offset)
            at = moment_of(one.timestamp)
            progress.returned(one.offset, at)
            key = (one.key or b"").decode(errors="replace")
            records.append(Record(self._topic, partition, one.offset, at, key, one.value or b""))
        return records

    def _refuse(self, partition: int, progress: Progress, offset: int) -> None:
        """The log begins again: it is another log. Never read on silently."""
        progress.wrong = f"{self._names[0]}/{partition}: the log went back from {progress.next} to {offset}"
        log.error(progress.wrong, action="log_went_back")
        self._consumer.pause(self._place(partition))

    def _tell_gap(self, partition: int, progress: Progress, offset: int) -> None:
        metrics.OFFSET_GAPS.labels(self._topic, self._names[1]).inc(offset - progress.next)
        log.error(
            "the log no longer has these records",
            action="offset_gap",
            topic=self._names[0],
            partition=partition,
            position=progress.next,
            first=offset,
        )

    def _note_answers(self) -> None:
        if self._consumer is None:
            return
        assigned = self._consumer.assignment()
        for partition, progress in self._held.items():
            place = self._place(partition)
            if place in assigned:
                progress.poll(self._consumer.highwater(place), self._consumer.last_poll_timestamp(place))

    async def _read_carefully(self) -> list[Record]:
        """One record of a partition at a time; what can't be fetched after some tries is skipped, told and counted."""
        self._carefully -= 1
        records: list[Record] = []
        for partition, progress in self._reading().items():
            if not progress.behind():
                continue
            try:
                found = await self._consumer.getmany(self._place(partition), timeout_ms=500, max_records=1)
            except CorruptRecordException:
                self._try_or_skip(partition, progress)
            else:
                for ones in found.values():
                    records += self._records(partition, ones)
        return records

    def _try_or_skip(self, partition: int, progress: Progress) -> None:
        self._carefully = CAREFUL_FOR
        progress.tries += 1
        if progress.tries >= TRIES:
            log.error("a record is skipped", action="record_skipped", partition=partition, offset=progress.next)
            metrics.RECORDS_SKIPPED.labels(self._topic, self._names[1]).inc()
            progress.next += 1
            progress.tries = TRIES - 1  # of one spoilt batch every record is: no need to try each as often
        self._consumer.seek(self._place(partition), progress.next)

    def _be_careful(self) -> None:
        """What was fetched before the spoilt bytes was lost with them: read again from where we are."""
        self._carefully = CAREFUL_FOR
        for partition, progress in self._reading().items():
            self._consumer.seek(self._place(partition), progress.next)

    def _stands_still(self, seconds: float) -> bool:
        """Whether a reader that is being asked has had no answer, or none of the records there are, for so long."""
        if self._asked_at < _now() - ASKED_EVERY or _now() < self._moved_at + seconds:
            return False
        self._note_answers()
        reading = self._reading().values()
        if not reading:
            return False
        polled = max(one.polled_ms or 0 for one in reading) / 1000
        return polled < time.time() - seconds or any(one.behind() for one in reading)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._names[0], partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes a rebalance on."""

    def __init__(self, reader: KafkaReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._reader.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        await self._reader.assigned(assigned)


async def _bounds(
    consumer: Any, places: Collection[TopicPartition]
) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
    """The oldest offsets and the ends; none where the brokers do not answer: what is read tells then."""
    with suppress(KafkaError):
        if places:
            return await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return {}, {}


def _now() -> float:
    return asyncio.get_running_loop().time()
