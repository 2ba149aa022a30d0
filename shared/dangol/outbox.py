"""What a service says from inside a transaction: committed with its state, then published, each person's in order."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

import msgspec
import structlog
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol import metrics
from dangol.db import Db
from dangol.errors import Unavailable
from dangol.flusher import refuse_too_large
from dangol.stream import Outgoing, Stream
from dangol.tables import Unsent
from dangol.topics import Topic

log = structlog.get_logger(__name__)
_bundle = msgspec.msgpack.Decoder(list[tuple[Topic, str, str, bytes]])
PAGE = 12  # bundles published at once
LARGEST_BUNDLE = 256_000  # bytes of values; a larger one is a bundle of its own
PROBED_EVERY = 0.5  # seconds; another process may have written for a home of ours
BACK_OFF = 1.0


class Outbox:
    """A service's outbox. Where log and state are one database there is nothing to relay."""

    def __init__(self, db: Db, stream: Stream, service: str) -> None:
        self._db, self._stream, self._service = db, stream, service
        self._relaying = asyncio.Lock()  # two relays at once would turn a person's order round
        self._put = asyncio.Event()

    async def put(
        self, conn: AsyncConnection, outgoing: Sequence[Outgoing], home_of: Callable[[Outgoing], int] | None = None
    ) -> None:
        """Say it when, and only when, this transaction commits. `home_of` is by default the partition of the key."""
        if not outgoing or await self._stream.append_within(conn, outgoing):
            return
        refuse_too_large(outgoing)
        home = home_of or (lambda one: self._stream.partition_of(one.key))
        homes: dict[int, list[Outgoing]] = {}
        for one in outgoing:
            homes.setdefault(home(one), []).append(one)
        rows = [
            {"service": self._service, "home": home, "records": packed}
            for home, those in sorted(homes.items())
            for packed in bundles(those)
        ]
        await conn.execute(insert(Unsent), rows)
        self._db.then(conn, self._put.set)

    async def relay(self, partitions: Collection[int]) -> int:
        """Publish what is unsent of these homes in the order of its ids; how many. Raises `Unavailable`."""
        published = 0
        if not partitions:
            return published
        async with self._relaying:
            while page := await self._relay_page(partitions):
                published += page
        return published

    async def unsent(self, conn: AsyncConnection) -> int:
        """How many bundles wait, of all homes."""
        rows = select(func.count()).select_from(Unsent).where(col(Unsent.service) == self._service)
        return int((await conn.execute(rows)).scalar_one())

    async def run(self, held: Callable[[], frozenset[int]], stop: asyncio.Event) -> None:
        """Relay what is put, and what was left by others, for the homes `held`, until `stop`."""
        if self._stream.partitions == 1 and self._db.dialect == "sqlite" and await self._embedded():
            await stop.wait()
            return
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            await self._next_put(stopping)
            try:
                await self.relay(held())
            except Unavailable as error:
                log.warning("not published yet", action="relay_waits", service=self._service, error=error.message)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(stopping), BACK_OFF)
        stopping.cancel()

    async def _next_put(self, stopping: asyncio.Task[bool]) -> None:
        putting = asyncio.create_task(self._put.wait())
        await asyncio.wait({putting, stopping}, timeout=PROBED_EVERY, return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()
        self._put.clear()

    async def _embedded(self) -> bool:
        async with self._db.transaction() as conn:
            return await self._stream.append_within(conn, [])

    async def _relay_page(self, partitions: Collection[int]) -> int:
        page = (
            select(col(Unsent.id), col(Unsent.records))
            .where(col(Unsent.service) == self._service, col(Unsent.home).in_(sorted(partitions)))
            .order_by(col(Unsent.id))
            .limit(PAGE)
        )
        async with self._db.transaction() as conn:
            rows = (await conn.execute(page)).all()
        if not rows:
            return 0
        said = [one for row in rows for one in unpacked(row.records)]
        await self._stream.append(said)
        async with self._db.transaction() as conn:
            # a crash before this publishes them twice: readers drop repeats by name
            await conn.execute(delete(Unsent).where(col(Unsent.id).in_([row[0] for row in rows])))
        metrics.OUTBOX_PUBLISHED.labels(self._service).inc(len(said))
        return len(said)


def bundles(outgoing: Sequence[Outgoing]) -> Iterator[bytes]:
    """What is said, in its order, as bundles: a row each, where a row a record cost half of what saving a batch did."""
    bundle: list[tuple[str, str, str, bytes]] = []
    size = 0
    for one in outgoing:
        if bundle and size + len(one.value) > LARGEST_BUNDLE:
            yield msgspec.msgpack.encode(bundle)
            bundle, size = [], 0
        bundle.append((one.topic.value, one.key, one.name, one.value))
        size += len(one.value)
    yield msgspec.msgpack.encode(bundle)


def unpacked(records: bytes) -> list[Outgoing]:
    """What a bundle holds."""
    return [Outgoing(topic, key, value, name) for topic, key, name, value in _bundle.decode(records)]
