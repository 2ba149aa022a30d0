"""The dispatcher at work: the reader of what journey says, a desk for each gateway, and the outbox."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol import metrics
from dangol.codec import decode_spoken
from dangol.consume import Batch, Subscription, joined, run_batches
from dangol.db import in_transaction
from dangol.decisions import Reason
from dangol.definitions import Document
from dangol.errors import Invalid, Unavailable
from dangol.messages import Spoken
from dangol.service import House
from dangol.stream import Record
from dangol.topics import Topic
from dangol_dispatcher.breaker import allowance
from dangol_dispatcher.desk import Desk, Office
from dangol_dispatcher.gates import load_gate
from dangol_dispatcher.gateways import open_gateways
from dangol_dispatcher.intake import take_in
from dangol_dispatcher.model import Gateway, Status
from dangol_dispatcher.queue import IS_OPEN
from dangol_dispatcher.rows import MESSAGE

log = structlog.get_logger(__name__)
GROUP = "dispatcher"
BACK_OFF = 1.0  # seconds
Opener = Callable[[Sequence[Document], House], Mapping[str, Gateway]]
UNROUTED = ""  # the queue of what no gateway is configured for
MENDED = (
    Reason.MISSING_VALUE,
    Reason.TEMPLATE_ERROR,
    Reason.UNKNOWN_TEMPLATE,
    Reason.POOL_EMPTY,
    Reason.NO_GATEWAY,
    Reason.NO_CONTENT,
    Reason.PAUSED,
)


class Worker:
    """Everything of dispatcher that runs in the background."""

    def __init__(self, house: House, office: Office, opener: Opener = open_gateways) -> None:
        self.house, self.office, self._open = house, office, opener
        self.subscription = Subscription(house.stream, house.db, Topic.MESSAGES, GROUP, house.settings.member)
        self.desks: dict[tuple[str, str], Desk] = {}
        self.moved = asyncio.Event()  # what is published has moved
        self.joined = False
        self._retiring: set[asyncio.Task[None]] = set()  # desks that were replaced, until their calls are back
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._gateways: dict[str, Mapping[str, Gateway]] = {}
        self._documents: dict[str, tuple[Document, ...]] = {}
        self._synced = -1
        house.db.after_commit(self.clock_moved)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; the calls that are out come back first."""
        if self.house.embedded:  # one process has the file: whoever was trying something before us is gone
            await in_transaction(self.house.db, self._end_leases)
        self.joined = await joined(self.subscription, stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run_batches(self.subscription, self.handle, stop))
                tasks.create_task(self.office.outbox.run(self.subscription.held, stop))
                await self._keep_desks(tasks, stop)
        finally:
            await self.subscription.close()
            for gateways in self._gateways.values():
                await _close(gateways.values())

    async def handle(self, batch: Batch) -> None:
        """A batch of what journey said, stored in one transaction with its position."""
        spoken = [one for record in batch.records if (one := _read(record))]

        async def work(conn: AsyncConnection) -> frozenset[tuple[str, str]] | None:
            await self.subscription.save(conn, batch)
            await self.office.published.current(conn)
            return await take_in(self.house.db, conn, self.office.outbox, self.office.published, spoken)

        try:
            stored = await in_transaction(self.house.db, work, durable=False)
        except Unavailable:
            self.ring()  # perhaps it was committed, and nobody heard of it: then it is not read again
            raise
        self.ring(stored)

    def ring(self, queues: Collection[tuple[str, str]] | None = None) -> None:
        """Something was stored that may be due: the desks of these queues look, or every desk."""
        for queue, desk in self.desks.items():
            if queues is None or queue in queues:
                desk.wake.set()

    def clock_moved(self) -> None:
        """After a commit, of which moving the clock is one: whoever's moment has come by now wakes."""
        now = self.house.clock()
        for desk in self.desks.values():
            if desk.sleeping_until and desk.sleeping_until <= now:
                desk.wake.set()

    async def next_due(self) -> datetime | None:
        """The earliest moment a message is due."""
        async with self.house.db.transaction() as conn:
            found: datetime | None = (await conn.execute(select(func.min(MESSAGE.c.due_at)).where(IS_OPEN))).scalar()
        return found

    async def idle(self, now: datetime) -> bool:
        """Whether all that journey said is stored, no call is out, and nothing is due where something may be done."""
        if (
            not self.joined
            or self._synced != self.office.published.number
            or self._retiring
            or not all(desk.at_rest for desk in self.desks.values())
        ):
            return False
        reached = [self.subscription.reached(home) for home in self.subscription.held()]
        if not reached or any(at is None or at < now for at in reached):
            return False
        async with self.house.db.transaction() as conn:
            due = select(MESSAGE.c.workspace, MESSAGE.c.gateway).where(IS_OPEN, MESSAGE.c.due_at <= now).distinct()
            for workspace, gateway in (await conn.execute(due)).all():
                desk = self.desks.get((workspace, gateway))
                if desk and allowance(await load_gate(conn, workspace, gateway), 1, now):
                    return False
        return True

    async def _keep_desks(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """A desk for each gateway that is published, as long as it is."""
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            self.moved.clear()
            again_in = None
            try:
                await self._sync(tasks, stop)
            except Unavailable as error:
                log.warning(error.message, action="desks_wait")
                again_in = BACK_OFF
            moving = asyncio.create_task(self.moved.wait())
            await asyncio.wait({stopping, moving}, timeout=again_in, return_when=asyncio.FIRST_COMPLETED)
            moving.cancel()
        stopping.cancel()

    async def _sync(self, tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        await in_transaction(self.house.db, self.office.published.current)
        number = self.office.published.number
        for name, workspace in list(self.office.published.workspaces.items()):
            documents = workspace.definitions.of("gateway") if workspace.definitions else ()
            if self._documents.get(name) != documents or name not in self._gateways:
                self._reopen(name, documents, tasks, stop)
            await in_transaction(self.house.db, lambda conn, name=name: self._reroute(conn, name))  # type: ignore[misc]
        self._synced = number
        self.ring()

    def _reopen(
        self, workspace: str, documents: tuple[Document, ...], tasks: asyncio.TaskGroup, stop: asyncio.Event
    ) -> None:
        """Gateways and desks as the documents say now; the old ones finish what they started, and nobody waits."""
        leaving = []
        for key in [key for key in self._running if key[0] == workspace]:
            self.desks.pop(key).leave()
            leaving.append(self._running.pop(key))
        retiring = tasks.create_task(_retire(leaving, self._gateways.get(workspace, {}).values()))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        opened = self._open(documents, self.house)
        self._gateways[workspace], self._documents[workspace] = opened, documents
        for name, gateway in [(UNROUTED, None), *opened.items()]:
            desk = Desk(self.office, workspace, name, gateway, self.ring)
            self.desks[workspace, name] = desk
            self._running[workspace, name] = tasks.create_task(desk.run(stop))

    async def _end_leases(self, conn: AsyncConnection) -> None:
        """What was claimed is due: its mode says what becomes of it."""
        now = await self.house.db.now(conn)
        claimed = MESSAGE.c.status == Status.CLAIMED.value
        await conn.execute(update(MESSAGE).where(claimed, MESSAGE.c.due_at > now).values(due_at=now))

    async def _reroute(self, conn: AsyncConnection, workspace: str) -> None:
        """What waits for a gateway that is gone goes to whoever passes it on; what waited for a mended file is due."""
        now = await self.house.db.now(conn)
        names = [UNROUTED, *self._gateways[workspace]]
        here = (MESSAGE.c.workspace == workspace, IS_OPEN)
        await conn.execute(update(MESSAGE).where(*here, MESSAGE.c.gateway.not_in(names)).values(gateway=UNROUTED))
        mended = (MESSAGE.c.status == Status.HELD.value, MESSAGE.c.reason.in_([reason.value for reason in MENDED]))
        await conn.execute(update(MESSAGE).where(*here, *mended, MESSAGE.c.due_at > now).values(due_at=now))


def _read(record: Record) -> Spoken | None:
    """What a record says; one that says nothing is counted, and stops nobody."""
    try:
        return decode_spoken(record.value)
    except Invalid as error:
        metrics.RECORDS_SKIPPED.labels(Topic.MESSAGES, GROUP).inc()
        log.error(error.message, action="bad_record", partition=record.partition, offset=record.offset)
        return None


async def _retire(desks: Iterable[asyncio.Task[None]], gateways: Iterable[Gateway]) -> None:
    await asyncio.gather(*desks)
    await _close(gateways)


async def _close(gateways: Iterable[Gateway] | Collection[Gateway]) -> None:
    for gateway in gateways:
        await gateway.close()
