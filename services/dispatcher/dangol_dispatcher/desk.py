"""The desk of one gateway: works through its queue, claims no more than it starts, sleeps until something is due."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db, in_transaction
from dangol.errors import Unavailable
from dangol.outbox import Outbox
from dangol_dispatcher import breaker, pace
from dangol_dispatcher.claims import Round, claim, look
from dangol_dispatcher.considering import Considered, Counter
from dangol_dispatcher.gates import FRESH, load_gate, lock_gate, save_gate
from dangol_dispatcher.handover import Hands, calls_for, hand_over
from dangol_dispatcher.leases import Leases
from dangol_dispatcher.links import Sealer
from dangol_dispatcher.model import Claimed, Gateway
from dangol_dispatcher.prepare import CouponCodes, prepare, supply
from dangol_dispatcher.published import Published, Workspace
from dangol_dispatcher.queue import next_expiry, next_moment
from dangol_dispatcher.rows import Row
from dangol_dispatcher.stock import Stock

log = structlog.get_logger(__name__)
LOOKED_AT = 100  # messages a look, at least
AHEAD = 4  # times as many as can start are rendered ahead of their claims
KEPT_FOR = timedelta(seconds=5)  # rendered words wait so long for a connection: their reader's locale may change
CROWDED = timedelta(milliseconds=20)  # what was due is another worker's for now
PROBED_EVERY = 0.5  # seconds: another process may have stored something, or the clock been moved
BACK_OFF = 1.0


@dataclass(frozen=True, slots=True)
class Office:
    """What every desk shares."""

    db: Db
    outbox: Outbox
    published: Published
    sealer: Sealer


class Desk:
    """One gateway of one workspace; without a gateway it only says no, or passes on what has one by now.

    `passed_on` is called when a message was put into another's queue: who sleeps there must look.
    """

    def __init__(
        self,
        office: Office,
        workspace: str,
        name: str,
        gateway: Gateway | None,
        passed_on: Callable[[], None] = lambda: None,
    ) -> None:
        self.workspace, self.name, self.gateway, self._passed_on = workspace, name, gateway, passed_on
        self.wake = asyncio.Event()
        self.sleeping_until: datetime | None = None
        self.busy = True
        self._office = office
        self._stock: Stock | None = None
        self._rendered_at = office.db.clock()  # the stock
        self._resting = False  # at the last look nothing could start
        # Those that are out, and the connections each still uses: from the claim until the answer is recorded.
        self._calls: dict[asyncio.Task[None], int] = {}
        self._leases = Leases(office.db)
        self._leaving = False

    def leave(self) -> None:
        """Start nothing more."""
        self._leaving = True
        self.wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then let the calls that are out come back."""
        while not stop.is_set() and not self._leaving:
            await self._until_one_is_free()
            self.wake.clear()
            self.busy, self.sleeping_until = True, None
            try:
                until = await self.step()
            except Unavailable as error:
                log.warning(error.message, action="desk_waits", gateway=self.name)
                until = self._office.db.clock() + timedelta(seconds=BACK_OFF)
            self.busy, self.sleeping_until = False, until
            await self._sleep(stop)
        if self._calls:
            await asyncio.wait(self._calls)

    @property
    def at_rest(self) -> bool:
        """Whether it sleeps, with no call out and nobody having rung."""
        return not self.busy and not self._calls and not self.wake.is_set()

    async def step(self) -> datetime | None:
        """One round: look and render where nothing is in stock, claim, start the calls. When to come again, or None."""
        office, stock, until = self._office, self._unspoilt(), None
        kept = None
        if stock is None or not self._free():  # what is rendered stays so while nothing can start
            kept = stock
            stock, until = await self._restock()
            if stock and stock.ready:
                kept = None  # a connection came free meanwhile: this is newer, and claims what is in the other too
        if stock is None or not stock.left:
            self._stock = kept
            return until
        this, picked = await in_transaction(office.db, lambda conn: self._claim(conn, stock))
        self._start(stock.counter, this)
        stock.forget(picked)
        if this and any(turn.gateway not in (None, self.name) for _, turn in this.turns):
            self._passed_on()
        moved = this is None or bool(this.turns)
        self._stock = kept or (stock if moved and picked and stock.left and this else None)
        return office.db.clock() if moved or not picked else office.db.clock() + CROWDED

    async def drain(self) -> None:
        """Wait for the calls that are out."""
        while self._calls:
            await asyncio.wait(self._calls)

    def _unspoilt(self) -> Stock | None:
        """What is in stock, unless it was rendered too long ago, or the clock was set back since."""
        return self._stock if abs(self._office.db.clock() - self._rendered_at) <= KEPT_FOR else None

    async def _restock(self) -> tuple[Stock | None, datetime | None]:
        """What is due, rendered as far as it may soon start; and when to come again where there is nothing."""
        office, began = self._office, self._office.db.clock()
        stock, rows, codes, until = await in_transaction(office.db, self._look, durable=False)
        if stock is None:
            return None, until
        supplied = [one for one in stock.going() if one.waiting.request.message.id in codes]
        stock.ready = await prepare(stock.workspace, office.sealer, supplied, rows, codes)
        if stock.ready:  # else it is worked through at once
            self._rendered_at = began
        return stock, until

    async def _look(
        self, conn: AsyncConnection
    ) -> tuple[Stock | None, dict[str, Row], dict[str, CouponCodes], datetime | None]:
        office = self._office
        now = await office.db.now(conn)
        due_at = await next_moment(conn, self.workspace, self.name)
        if due_at is None or due_at > now:
            self._resting = False
            return None, {}, {}, due_at  # most looks are of such: nothing else is asked
        await office.published.current(conn)
        workspace = office.published.of(self.workspace)
        counter = self._counter(workspace)
        gate = await load_gate(conn, self.workspace, self.name)
        wanted = breaker.allowance(gate, self._free(), now) if self.gateway else 0
        paced = pace.allowed(self._rate(counter), gate.paced_until, wanted, now)
        self._resting = paced == 0 and self.gateway is not None
        if self._resting:
            looked = await look(office.db, conn, counter, LOOKED_AT, only_expired=True)
            rate = self._rate(counter) if wanted else None
            return Stock(counter, workspace, looked), {}, {}, await self._resting_until(conn, gate, rate, now)
        ahead = paced * AHEAD if paced == wanted else paced
        stock = Stock(counter, workspace, await look(office.db, conn, counter, max(ahead, LOOKED_AT)))
        rows, codes = await supply(office.db, conn, workspace, stock.going()[:ahead])
        return stock, rows, codes, due_at

    async def _resting_until(
        self, conn: AsyncConnection, gate: breaker.GatewayState, rate: float | None, now: datetime
    ) -> datetime | None:
        """While nothing may start: when it may again, or something becomes worthless meanwhile. `rate`: it is full."""
        if rate and gate.paced_until:
            awake: datetime | None = pace.next_at(rate, gate.paced_until, now)
        else:
            awake = breaker.awake_at(gate, now)
        moments = (awake, await next_expiry(conn, self.workspace, self.name))
        return min((moment for moment in moments if moment), default=None)

    async def _claim(self, conn: AsyncConnection, stock: Stock) -> tuple[Round | None, list[Considered]]:
        office, counter = self._office, stock.counter
        if await office.published.current(conn) != counter.rules.number:
            return None, []  # published meanwhile: look again with what is in force
        gate, rate = await load_gate(conn, self.workspace, self.name), self._rate(counter)
        free = self._free()
        if rate is None and gate == FRESH:
            picked = stock.pick(free)
            return await claim(office.db, conn, office.outbox, counter, picked, stock.ready, free), picked
        gate = await lock_gate(office.db, conn, self.workspace, self.name)
        now = await office.db.now(conn)
        wanted = pace.allowed(rate, gate.paced_until, breaker.allowance(gate, free, now), now)
        picked = stock.pick(wanted)
        this = await claim(office.db, conn, office.outbox, counter, picked, stock.ready, wanted)
        if this.claimed:
            until = pace.spent(rate, gate.paced_until, len(this.claimed), now)
            state = replace(breaker.probed(gate, now), paced_until=until)
            await save_gate(office.db, conn, self.workspace, self.name, state)
        return this, picked

    def _rate(self, counter: Counter) -> float | None:
        rule = counter.rules.gateways.get(self.name)
        return rule.per_second if rule else None

    def _start(self, counter: Counter, this: Round | None) -> None:
        if self.gateway is None or this is None or not this.claimed:
            return
        office = self._office
        hands = Hands(
            office.db, office.outbox, office.published, counter, self.gateway, self._leases, office.db.commits
        )
        call = asyncio.create_task(self._hand_over(hands, this.claimed))
        self._calls[call] = calls_for(self.gateway, this.claimed)
        call.add_done_callback(self._returned)

    async def _hand_over(self, hands: Hands, claimed: Sequence[Claimed]) -> None:
        this = asyncio.current_task()
        assert this is not None

        def freed(connections: int, again: bool) -> None:
            awaited = self._awaited()
            self._calls[this] -= connections
            if awaited or again:
                self.wake.set()

        try:
            await hand_over(hands, claimed, freed)
        except Unavailable as error:
            # not recorded: the lease ends, and whoever finds it does what its mode says
            log.error(error.message, action="not_recorded", deliveries=[one.delivery for one in claimed])

    def _returned(self, call: asyncio.Task[None]) -> None:
        if self._calls.pop(call):  # else who waits for a free one has been told
            self.wake.set()
        if not call.cancelled() and (error := call.exception()):
            log.error("a handover raised", action="handover_raised", gateway=self.name, exc_info=error)

    def _awaited(self) -> bool:
        """Whether something may be due that had no free connection; else a call that is back rings nobody."""
        return self._resting or self._stock is not None or self._free() <= 0

    def _free(self) -> int:
        """How many deliveries can start at once: one batch for each connection that is free."""
        return (self.gateway.concurrency - sum(self._calls.values())) * self.gateway.batch if self.gateway else 0

    def _counter(self, workspace: Workspace) -> Counter:
        if self.gateway is None:
            return Counter(workspace.rules, self.name)
        return Counter(workspace.rules, self.name, self.gateway.key_window, self.gateway.deadline)

    async def _until_one_is_free(self) -> None:
        """While every connection is taken, look no more often than what expires meanwhile needs."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + PROBED_EVERY
        while self.gateway and not self._free() and not self._leaving and (left := ends - loop.time()) > 0:
            self.wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), left)

    async def _sleep(self, stop: asyncio.Event) -> None:
        """Until the moment, a wake, or the next probe. Where only we write and the clock stands, nothing is read."""
        clock, polls = self._office.db.clock, self._office.db.dialect == "postgresql"
        while not self.wake.is_set() and not stop.is_set():
            left = (self.sleeping_until - clock()).total_seconds() if self.sleeping_until else PROBED_EVERY
            if left <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), min(left, PROBED_EVERY))
            if polls:
                return
