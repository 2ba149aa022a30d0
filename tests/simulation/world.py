"""One simulated month: the world's time, what happens when, the process that is killed and started again."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import in_transaction, moment
from dangol.errors import Unavailable
from dangol_dispatcher import receipts as receiving
from dangol_dispatcher.receipts import Receipt
from tests.simulation.disk import NO_TROUBLE, Disk, Trouble
from tests.simulation.people import Post
from tests.simulation.process import Killed, Process
from tests.simulation.product import Product, inside, start
from tests.simulation.providers import Ledger
from tests.simulation.shop import START, WORKSPACE, published

Act = Callable[[], Awaitable[None]]
NEAR = 0.3  # seconds from a due moment to which the clock is put
# Seconds after a moment to which the clock is put, by seed: a machine that slept finds what became due meanwhile.
LATE = (0.3, 4 * 3600, *[12 * 3600] * 2, *[24 * 3600] * 6)
WATCHED = 0.1  # of the moments are waited for from before
EARLY = 0.05  # of the moments something is under way, what providers tell comes at once
PATIENCE = 30.0  # seconds the world waits for the product to come to rest, before time goes on regardless

OPEN = "status IN ('asked', 'held', 'claimed', 'retrying')"
BUSY = f"""SELECT EXISTS (SELECT 1 FROM profile WHERE home = 0 AND wake_at <= :now)
    OR EXISTS (SELECT 1 FROM position p WHERE p.topic IN ('events', 'messages')
        AND p.position <= (SELECT max(id) FROM logged l WHERE l.topic = p.topic AND l.id >= p.position))
    OR EXISTS (SELECT 1 FROM message m LEFT JOIN gateway_state g ON g.gateway = m.gateway
        WHERE m.workspace = 'default' AND {OPEN} AND due_at <= :now AND coalesce(circuit, 'closed') = 'closed'
        AND coalesce(throttled_until, '') <= :now)"""
NEXT = f"""SELECT min(at) FROM (SELECT min(wake_at) AS at FROM profile WHERE home = 0 UNION ALL
    SELECT min(due_at) FROM message WHERE workspace = 'default' AND {OPEN})"""


@dataclass(slots=True)
class Accepted:
    """A post the product said 200 to: by `at` the log had it."""

    post: Post
    at: datetime


@dataclass
class World:
    """Everything outside of the product, and the product's present life."""

    seed: int
    chance: Random
    loop: asyncio.AbstractEventLoop
    disk: Disk = field(init=False)
    ledger: Ledger = field(init=False)
    product: Product | None = None
    offset: timedelta = timedelta(0)
    variant: int = 0
    lives: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    unsure: dict[str, datetime] = field(default_factory=dict)  # first tried then, and not answered
    refused: list[tuple[str, datetime]] = field(default_factory=list)  # user, answered then
    silences: list[tuple[datetime, datetime]] = field(default_factory=list)  # from the answer until it is lifted
    silenced: bool = False  # just now
    trace: list[str] = field(default_factory=list)
    bugs: list[str] = field(default_factory=list)
    faults: int = 0
    late: float = 0.0
    posting: int = 0
    _acts: list[tuple[datetime, int, Act]] = field(default_factory=list)
    _count: int = 0
    _restarting: "asyncio.Task[None] | None" = None
    _graves: list["asyncio.Task[None]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.disk = Disk(published(), Random(f"disk {self.seed}"))
        self.ledger = Ledger(self.now, Random(f"providers {self.seed}"))
        self.late = self.chance.choice(LATE)

    def now(self) -> datetime:
        """What the world's clock shows."""
        return START + self.offset + timedelta(seconds=self.loop.time())

    def at(self, moment: datetime, act: Act) -> None:
        """Let it happen then."""
        self._count += 1
        heapq.heappush(self._acts, (moment, self._count, act))

    def note(self, what: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{self.now().isoformat(timespec='microseconds')} {what}")

    async def live(self, until: datetime) -> None:
        """Let everything happen that is to happen before `until`, and the product with it."""
        if self.product is None:
            await self.restart()
        while self._acts and self._acts[0][0] <= until:
            moment = self._acts[0][0]
            await self.go_on(moment)
            while self._acts and self._acts[0][0] <= self.now():
                _, _, act = heapq.heappop(self._acts)
                await act()
        await self.go_on(until)
        await self.settle()

    async def go_on(self, until: datetime) -> None:
        """Time passes; the product is let come to rest at each of its own moments on the way."""
        while self.now() < until:
            await self.settle()
            due = self.next_due()
            now = self.now()
            if due is None or due >= until:
                self.jump(until - now)
                return
            if due <= now:
                self.jump(min(until - now, timedelta(hours=2)))  # something rests: a gateway, a person set aside
                self.poke()
                continue
            if self.chance.random() < WATCHED:
                self.jump(max(due - now - timedelta(seconds=self.chance.random() * NEAR), timedelta(0)))
                self.poke()
                await asyncio.sleep(max((due - self.now()).total_seconds(), 0) + 0.001)
            else:  # a little late: what is due together fires together, and costs the simulation one transaction
                self.jump(min(due - now + timedelta(seconds=self.late), until - now))
                self.poke()

    def jump(self, by: timedelta) -> None:
        """The clock is put on: nobody has anything to do meanwhile. Never back, where a settling took longer."""
        self.offset += max(by, timedelta(0))

    def poke(self) -> None:
        """As after a commit, of which the product's own moving of the clock is one: who sleeps looks at the clock."""
        if self.product and not self.product.process.dead:
            self.product.journey.moments.clock_moved()
            self.product.dispatcher.clock_moved()

    async def settle(self) -> None:
        """Until the product has done what it can do now, or patience ends."""
        until, pause = self.loop.time() + PATIENCE, 0.01
        await self._bring_receipts()
        while self.loop.time() < until:
            await asyncio.sleep(pause)
            if await self._at_rest():
                return
            pause = min(pause * 1.5, 0.5)

    async def _at_rest(self) -> bool:
        """Whether the product has nothing to do now: by its tables, for asking it would cost more than it does."""
        product = self.product
        if product is None or product.process.dead or self.posting or self.disk.holder:
            return False
        if self.chance.random() < EARLY:
            await self._bring_receipts()
        resting = product.dispatcher.joined and all(desk.at_rest for desk in product.dispatcher.desks.values())
        now = moment(self.now())
        return resting and not self.disk.raw.execute(BUSY, {"now": now}).fetchone()[0]

    def next_due(self) -> datetime | None:
        """The product's next moment; None where it has none."""
        found = self.disk.raw.execute(NEXT).fetchone()[0]
        return datetime.fromisoformat(found) if found else None

    async def restart(self) -> None:
        """A new life of the process, as soon as the disk lets it begin."""
        while True:
            self.lives += 1
            process = Process(f"up-{self.lives}", self._died)
            self.note(f"start {process.name}")
            starting = inside(process, start(self.disk, self.now, self.ledger, self.variant, process))
            try:
                self.product = await starting
            except (Unavailable, Killed):
                process.die()
                await process.bury()
                await asyncio.sleep(1)
            else:
                return

    def _died(self, process: Process) -> None:
        """At the very moment of its death."""
        self.note(f"dead {process.name} after {process.doings}")
        self.disk.forsake(process)
        self._restarting = self.loop.create_task(self._rise_again(process), context=Context())

    async def _rise_again(self, process: Process) -> None:
        await process.bury()
        if self.product is None or self.product.process is process:
            await asyncio.sleep(self.chance.choice((0.05, 1, 20)))
            await self.restart()

    async def post(self, posts: list[Post]) -> None:
        """A client posts, and tries again until it is told 200."""
        self.posting += 1
        self.loop.create_task(self._insist(posts))

    async def _insist(self, posts: list[Post]) -> None:
        body = msgspec.json.encode({"batch": [self._call(one) for one in posts]})
        for attempt in range(200):
            if await self._tried(body, f"{self.seed}", secret=posts[0].secret):
                at = self.now()
                self.accepted += [Accepted(one, at) for one in posts]
                break
            await asyncio.sleep(min(0.5 * 2**attempt, 30))
        self.posting -= 1

    async def _tried(self, body: bytes, seed: str, *, secret: bool) -> bool:
        product = self.product
        if product is None or product.process.dead:
            return False
        task = inside(product.process, product.keep(body, seed, secret=secret))
        try:
            await task
        except (Unavailable, Killed, asyncio.CancelledError):
            return False
        return True

    def _call(self, post: Post) -> dict[str, object]:
        return {**post.call, "timestamp": (post.happened or post.at).isoformat()}

    async def _bring_receipts(self) -> None:
        """What providers tell of messages arrives, some of it at once, some later."""
        told, product = self.ledger.receipts, self.product
        if not told or product is None:
            return
        self.chance.shuffle(told)
        now, later = told[::2], told[1::2]
        self.ledger.receipts = later
        receipts = [Receipt(message=message, kind=kind, event_id=event) for message, kind, event in now]

        async def take(conn: AsyncConnection) -> None:
            await receiving.take(product.db, conn, product.office.outbox, WORKSPACE, receipts)

        try:
            await inside(product.process, in_transaction(product.db, take))
        except (Unavailable, Killed, asyncio.CancelledError):
            self.ledger.receipts += now  # they insist, too

    def storm(self, trouble: Trouble) -> None:
        """The disk begins to fail, or is well again."""
        self.disk.trouble = trouble

    def calm(self) -> None:
        """No more faults."""
        self.disk.trouble = NO_TROUBLE
        self.ledger.bad_weather = False
