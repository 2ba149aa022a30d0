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
from dangol_dispatcher.claims import Prepared, Round, claim, look
from dangol_dispatcher.considering import Considered, Counter
from dangol_dispatcher.gates import FRESH, load_gate, lock_gate, save_gate
from dangol_dispatcher.handover import Hands, hand_over
from dangol_dispatcher.links import Sealer
from dangol_dispatcher.model import Claimed, Gateway, Go
from dangol_dispatcher.prepare import prepare, supply
from dangol_dispatcher.published import Published, Workspace
from dangol_dispatcher.queue import next_expiry, next_moment

log = structlog.get_logger(__name__)
LOOKED_AT = 100  # messages a look, at least
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


@dataclass(frozen=True, slots=True)
class View:
    """What a look found. `wanted` is how many may start now."""

    looked: list[Considered]
    wanted: int
    counter: Counter
    workspace: Workspace
    sleep_until: datetime | None


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
        self._calls: set[asyncio.Task[None]] = set()
        self._leaving = False

    def leave(self) -> None:
        """Start nothing more."""
        self._leaving = True
        self.wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then let the calls that are out come back."""
        while not stop.is_set() and not self._leaving:
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
        """One round: look, render, claim, start the calls. When to come again; None: when woken."""
        office = self._office
        view = await in_transaction(office.db, self._look)
        if not view.looked:
            return view.sleep_until
        going = [one for one in view.looked if isinstance(one.choice.answer, Go)][: view.wanted]
        rows, codes = await in_transaction(office.db, lambda conn: supply(office.db, conn, view.workspace, going))
        ready = await prepare(view.workspace, office.sealer, going, rows, codes)
        this = await in_transaction(office.db, lambda conn: self._claim(conn, view, ready))
        if this is None:
            return office.db.clock()
        self._start(view.counter, this.claimed)
        if any(turn.gateway not in (None, self.name) for _, turn in this.turns):
            self._passed_on()
        moved = bool(this.turns)
        return office.db.clock() if moved else office.db.clock() + CROWDED

    async def drain(self) -> None:
        """Wait for the calls that are out."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def _look(self, conn: AsyncConnection) -> View:
        office = self._office
        await office.published.current(conn)
        now = await office.db.now(conn)
        workspace = office.published.of(self.workspace)
        counter = self._counter(workspace)
        gate = await load_gate(conn, self.workspace, self.name)
        wanted = breaker.allowance(gate, self._free(), now) if self.gateway else 0
        paced = pace.allowed(self._rate(counter), gate.paced_until, wanted, now)
        may_decide = paced > 0 or self.gateway is None
        if may_decide:
            looked = await look(office.db, conn, counter, max(paced, LOOKED_AT))
            until = await next_moment(conn, self.workspace, self.name)
        else:
            looked = await look(office.db, conn, counter, LOOKED_AT, only_expired=True)
            rate = self._rate(counter) if wanted else None
            until = await self._resting_until(conn, gate, rate, now)
        return View(looked, paced, counter, workspace, until)

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

    async def _claim(self, conn: AsyncConnection, view: View, ready: dict[str, Prepared]) -> Round | None:
        office = self._office
        if await office.published.current(conn) != view.counter.rules.number:
            return None  # published meanwhile: look again with what is in force
        gate, rate = await load_gate(conn, self.workspace, self.name), self._rate(view.counter)
        if rate is None and gate == FRESH:
            return await claim(office.db, conn, office.outbox, view.counter, view.looked, ready, view.wanted)
        gate = await lock_gate(office.db, conn, self.workspace, self.name)
        now = await office.db.now(conn)
        wanted = pace.allowed(rate, gate.paced_until, breaker.allowance(gate, view.wanted, now), now)
        this = await claim(office.db, conn, office.outbox, view.counter, view.looked, ready, wanted)
        if this.claimed:
            until = pace.spent(rate, gate.paced_until, len(this.claimed), now)
            state = replace(breaker.probed(gate, now), paced_until=until)
            await save_gate(office.db, conn, self.workspace, self.name, state)
        return this

    def _rate(self, counter: Counter) -> float | None:
        rule = counter.rules.gateways.get(self.name)
        return rule.per_second if rule else None

    def _start(self, counter: Counter, claimed: Sequence[Claimed]) -> None:
        if self.gateway is None:
            return
        hands = Hands(self._office.db, self._office.outbox, counter, self.gateway)
        for first in range(0, len(claimed), self.gateway.batch):
            call = asyncio.create_task(self._call(hands, claimed[first : first + self.gateway.batch]))
            self._calls.add(call)
            call.add_done_callback(self._returned)

    async def _call(self, hands: Hands, claimed: Sequence[Claimed]) -> None:
        try:
            await hand_over(hands, claimed)
        except Unavailable as error:
            # not recorded: the lease ends, and whoever finds it does what its mode says
            log.error(error.message, action="not_recorded", deliveries=[one.delivery for one in claimed])

    def _returned(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self.wake.set()
        if not call.cancelled() and (error := call.exception()):
            log.error("a handover raised", action="handover_raised", gateway=self.name, exc_info=error)

    def _free(self) -> int:
        """How many deliveries can start at once: one batch for each connection that is free."""
        return (self.gateway.concurrency - len(self._calls)) * self.gateway.batch if self.gateway else 0

    def _counter(self, workspace: Workspace) -> Counter:
        if self.gateway is None:
            return Counter(workspace.rules, self.name)
        return Counter(workspace.rules, self.name, self.gateway.key_window, self.gateway.deadline)

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
