"""A withdrawal, or a kill switch, against claims: no claim after it, and no call that had not begun its last look."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import in_transaction
from dangol_dispatcher import switches
from dangol_dispatcher.claims import Round
from dangol_dispatcher.considering import Considered
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.handover import Hands
from dangol_dispatcher.intake import take_in
from dangol_dispatcher.model import Accepted, Claimed, Outcome
from dangol_dispatcher.published import Published
from dangol_dispatcher.stock import Stock
from tests.support.crowds import open_shops
from tests.support.dispatching import WORKSPACE, Shop, ToldGateway, a_consent, documents, some_facts
from tests.support.racing import TIMES, chance
from tests.support.sides import now_asked
from tests.support.workshops import rows

LOOKED_AFTER = ContextVar("looked_after", default=False)  # whether the newest look of this task came after the stop
TRIALS, MESSAGES, DESKS = 12 * TIMES, 8, 3


@dataclass
class Trial:
    """What happened to one person's messages, in the order in which transactions held the person's row."""

    profile: str
    order: list[str] = field(default_factory=list)  # "claim" of something, "withdrawal"
    stopped: asyncio.Event = field(default_factory=asyncio.Event)  # it is committed and answered
    holding: bool = False  # whether what is claimed after so many calls is handed over once it is stopped
    looked: int = 0
    held: list[Claimed] = field(default_factory=list)  # claimed before it was stopped, handed over after
    late: list[Claimed] = field(default_factory=list)  # called all the same
    handed: list[Claimed] = field(default_factory=list)
    after: int = 0  # so many calls the person withdraws
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """From here on."""
        self.stopped.set()

    @property
    def due(self) -> bool:
        """Whether there were calls enough."""
        return len(self.handed) > self.after


class WatchedRules(Published):
    """What is published, read at the beginning of each look; tells which looks came after the stop."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(None)
        self.trial = trial

    async def current(self, conn: AsyncConnection) -> int:
        """The number in force."""
        self.trial.looked += 1
        LOOKED_AFTER.set(self.trial.stopped.is_set())
        return await super().current(conn)


class WatchedDesk(Desk):
    """A desk that tells when it claims."""

    trial: Trial

    async def _claim(self, conn: AsyncConnection, stock: Stock) -> tuple[Round | None, list[Considered]]:
        this, picked = await super()._claim(conn, stock)
        if this and this.claimed:
            self.trial.order.append("claim")  # the person's row is locked until the commit
        return this, picked

    async def _hand_over(self, hands: Hands, claimed: Sequence[Claimed]) -> None:
        """Of a trial that holds: between claim and last look there is time for it to be stopped."""
        if self.trial.holding and self.trial.due and not self.trial.stopped.is_set():
            self.trial.held += claimed
            self.trial.reached.set()
            await self.trial.stopped.wait()
        await super()._hand_over(hands, claimed)


class WatchedGateway(ToldGateway):
    """A gateway of one trial."""

    trial: Trial

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Written down as the call begins."""
        self.trial.handed += claimed
        if LOOKED_AFTER.get() or any(one in self.trial.held for one in claimed):
            self.trial.late += claimed
        if self.trial.due and not self.trial.holding:
            self.trial.reached.set()
        await asyncio.sleep(0)
        return [Accepted() for _ in claimed]


async def withdraw(shop: Shop, trial: Trial) -> None:
    """The person takes their consent back; told within the transaction, while the person's row is locked."""
    refusal = a_consent(granted=False, at=shop.clock())
    facts = some_facts(trial.profile, version=2, consents=(refusal,))

    async def work(conn: AsyncConnection) -> None:
        await shop.office.published.current(conn)
        await take_in(shop.db, conn, shop.office.outbox, shop.office.published, [facts])
        trial.order.append("withdrawal")
        shop.db.then(conn, trial.stop)

    await in_transaction(shop.db, work)


async def switch_off(shop: Shop, trial: Trial) -> None:
    """An operator stops everything."""

    async def work(conn: AsyncConnection) -> None:
        await switches.turn(shop.db, conn, WORKSPACE, "all", "test", on=True)
        shop.db.then(conn, trial.stop)

    await in_transaction(shop.db, work)


async def switch_on(shop: Shop) -> None:
    """And lets it go on."""
    await in_transaction(shop.db, lambda conn: switches.turn(shop.db, conn, WORKSPACE, "all", "test", on=False))


async def claim_all(desk: WatchedDesk, shop: Shop) -> None:
    """Work until nothing of it is due."""
    idle = 0
    for _ in range(200):
        until = await desk.step()
        if until is None or until > shop.clock() + timedelta(seconds=0.5):
            await desk.drain()  # it may have looked while all its connections were busy
            idle += 1
            if idle == 2:
                return


Stop = Callable[[Shop, Trial], Awaitable[None]]


async def race(shops: Sequence[Shop], number: int, stop: Stop) -> Trial:
    """One person's messages, claimed by several desks, two at a time, while they are stopped: in every second trial as
    it comes, in the others surely between a claim and its last look."""
    seeded = chance(f"withdrawal {number}")
    trial, delay = Trial(f"p{number}", after=seeded.randrange(MESSAGES - 3)), seeded.uniform(0, 0.004)
    trial.holding = number % 2 == 1
    user: dict[str, Any] = {"profile": trial.profile, "user_id": f"u{number}", "key": f"default/u{number}"}
    asked = [now_asked(shops[0], f"m{number}-{n}", **user) for n in range(MESSAGES)]
    await shops[0].hear(some_facts(trial.profile), *asked)
    desks = []
    for n in range(DESKS):
        shop, gateway = shops[n % len(shops)], WatchedGateway(batch=1, concurrency=2)
        office = replace(shop.office, published=WatchedRules(trial))
        desk = WatchedDesk(office, WORKSPACE, gateway.name, gateway)
        desk.trial = gateway.trial = trial
        desks.append((desk, shop))

    async def later() -> None:
        await trial.reached.wait()
        await asyncio.sleep(delay)
        await stop(shops[-1], trial)

    withdrawing = asyncio.create_task(later())
    await asyncio.gather(*(claim_all(desk, shop) for desk, shop in desks))
    trial.reached.set()
    await withdrawing
    return trial


async def stands(shop: Shop, trial: Trial, status: str) -> int:
    """How many of the person's messages stand so."""
    counted = f"SELECT count(*) FROM message WHERE profile = '{trial.profile}' AND status = '{status}'"
    return int((await rows(shop.db, counted))[0][0])


def a_race(trials: Sequence[Trial]) -> None:
    """Some calls were made, some were not, and of those that were not some had been claimed."""
    assert any(0 < len(trial.handed) < MESSAGES for trial in trials if not trial.holding), "the race is no race"
    held = [bool(trial.held) for trial in trials if trial.holding]
    assert sum(held) * 2 > len(held), "nothing was between its claim and its last look"
    assert all(trial.looked > 0 for trial in trials)


async def test_case_81_nothing_is_claimed_or_called_after_a_withdrawal(migrated_url: str) -> None:
    """Caught: no last look, or one that stops nothing; what others committed meanwhile not noticed (one process); a
    claim by what was looked up ahead of it."""
    async with open_shops(migrated_url, documents()) as shops:
        trials = [await race(shops, number, withdraw) for number in range(TRIALS)]
        for trial in trials:
            after = trial.order[len(trial.order) - trial.order[::-1].index("withdrawal") :]
            assert after == [], f"{trial.profile}: claimed after the withdrawal"
            assert trial.late == [], "called though its last look came after it"
            rest = ToldGateway()
            await shops[0].work(rest)
            shops[0].desks.clear()
            assert rest.handed == []
            assert await stands(shops[0], trial, "dropped") == MESSAGES - len(trial.handed)
        a_race(trials)


async def test_case_75_no_call_begins_after_the_kill_switch_is_answered(migrated_url: str) -> None:
    """On all workers; what was claimed goes back to the rules, and is sent once the switch is off.

    Caught: no last look, or one without the switches.
    """
    async with open_shops(migrated_url, documents()) as shops:
        trials = []
        for number in range(TRIALS // 2):
            trial = await race(shops, number, switch_off)
            trials.append(trial)
            assert trial.late == [], "called though its last look came after it"
            assert await stands(shops[0], trial, "held") == MESSAGES - len(trial.handed)
            await switch_on(shops[0])
            rest = ToldGateway()
            await shops[0].work(rest)
            shops[0].desks.clear()
            assert len(rest.handed) + len(trial.handed) == MESSAGES
        a_race(trials)
