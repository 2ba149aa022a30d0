"""A call that takes long keeps its lease; what a killed or stalled worker tried is another's within half a minute."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from dangol.clock import utc_now
from dangol.db import Db, in_transaction
from dangol.errors import Unavailable
from dangol_dispatcher import handover
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.handover import Hands
from dangol_dispatcher.leases import (
    LONGEST,
    RENEWED_EVERY,
    TO_RECORD,
    TRIED_AGAIN,
    Leases,
    Out,
    is_renewed,
    lease_of,
    least_left,
    renew,
)
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Outcome
from tests.support.dispatching import (
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_message,
    documents,
    open_shop,
    some_facts,
)

SMTP = timedelta(minutes=12)
ENDED = LONGEST + timedelta(seconds=1)


@dataclass
class SlowGateway(ToldGateway):
    """A mail server that thinks about a mail until it is told to answer."""

    batch: int = 1
    deadline: timedelta = SMTP
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Taken; answered when told."""
        self.handed += claimed
        self.asked.set()
        await self.answer.wait()
        return [self.answers(one) for one in claimed]


@pytest.fixture
async def shop(migrated_url: str) -> AsyncIterator[Shop]:
    async with open_shop(migrated_url, WoundClock(utc_now()), documents()) as shop:
        yield shop


async def later(shop: Shop, span: timedelta) -> None:
    """So much time passes: by the clock, or where that is the database's own, by what it is compared with."""
    if shop.db.dialect == "sqlite":
        shop.clock.move(span)
        return
    async with shop.db.transaction() as conn:
        for table, column in (("message", "due_at"), ("delivery", "lease_until")):
            row = f"UPDATE {table} SET {column} = {column} - make_interval(secs => {span.total_seconds()})"
            await conn.execute(text(f"{row} WHERE status = 'claimed'"))


async def a_slow_call(shop: Shop, template: str) -> tuple[Desk, SlowGateway]:
    """A desk whose mail is with the server."""
    mail = SlowGateway()
    await shop.hear(some_facts(), a_message(template=template, at=shop.clock()))
    desk = Desk(shop.office, WORKSPACE, mail.name, mail)
    await desk.step()
    await mail.asked.wait()
    return desk, mail


async def another_works(shop: Shop) -> ToldGateway:
    """Another worker's desk, until it finds nothing."""
    other = ToldGateway()
    shop.desks.clear()
    await shop.work(other)
    return other


def test_only_what_a_call_may_outlast_is_renewed() -> None:
    webhook = timedelta(seconds=20)
    assert lease_of(webhook) == LONGEST
    assert not is_renewed(webhook)
    assert webhook < least_left(webhook) < LONGEST
    assert lease_of(SMTP) == LONGEST
    assert is_renewed(SMTP)
    assert least_left(SMTP) > RENEWED_EVERY


async def test_a_call_of_minutes_keeps_its_lease(shop: Shop) -> None:
    """faults P4. Caught: a renewal that moves nothing on."""
    desk, mail = await a_slow_call(shop, "notice")
    for _ in range(4):
        await later(shop, timedelta(seconds=20))
        await desk._leases.renew()
        assert not (await another_works(shop)).handed
    mail.answer.set()
    await desk.drain()
    assert await shop.status("m1") == ("sent", "accepted")
    assert len(mail.handed) == 1


@pytest.mark.parametrize(("template", "becomes", "tries"), [("advert", "unknown", 0), ("notice", "sent", 1)])
async def test_what_a_killed_worker_tried_is_another_s_within_half_a_minute(
    shop: Shop, template: str, becomes: str, tries: int
) -> None:
    """faults P4, D55: not after SMTP's twelve minutes. Caught: a lease as long as the gateway's deadline."""
    desk, _ = await a_slow_call(shop, template)
    for call in list(desk._calls):
        call.cancel()
    await desk.drain()
    assert not (await another_works(shop)).handed
    assert (await shop.status("m1"))[0] == "claimed"
    await later(shop, ENDED)
    other = await another_works(shop)
    assert (await shop.status("m1"))[0] == becomes
    assert [one.possible_duplicate for one in other.handed] == [True] * tries


@pytest.mark.parametrize(("template", "becomes"), [("advert", "unknown"), ("notice", "sent")])
async def test_a_stalled_worker_that_wakes_is_cut_off_and_records_nothing(
    shop: Shop, template: str, becomes: str
) -> None:
    """faults P4, D60. Caught: a call that goes on though its lease was not renewed."""
    desk, _ = await a_slow_call(shop, template)
    await later(shop, ENDED)
    other = await another_works(shop)
    seen = await shop.see("m1")
    assert seen["status"] == becomes
    await desk._leases.renew()  # the first thing it does when it wakes
    async with asyncio.timeout(20):
        await desk.drain()  # without an answer: the call was cut off
    assert await shop.see("m1") == seen
    assert len(other.handed) == (1 if template == "notice" else 0)


async def test_a_lease_another_holds_is_not_renewed(shop: Shop) -> None:
    """The same delivery, left to the rules and then claimed again by another: its status and its fence tell them apart.

    Caught: a renewal that asks for no status, or for no fence.
    """
    _, mail = await a_slow_call(shop, "notice")
    await later(shop, ENDED)
    again = SlowGateway()
    desk = Desk(shop.office, WORKSPACE, again.name, again)
    await desk.step()  # finds what was left
    assert (await shop.status("m1"))[0] == "retrying"
    assert await in_transaction(shop.db, lambda conn: renew(shop.db, conn, mail.handed)) == set()
    await desk.step()
    await again.asked.wait()
    first, second = mail.handed[0], again.handed[0]
    assert first.delivery == second.delivery
    renewed = await in_transaction(shop.db, lambda conn: renew(shop.db, conn, [first]))
    assert renewed == set()
    assert await in_transaction(shop.db, lambda conn: renew(shop.db, conn, [second])) == {second.delivery}
    again.answer.set()
    await desk.drain()


async def test_a_call_that_is_back_while_leases_are_renewed_stops_no_renewal(shop: Shop) -> None:
    """Caught: its limit, which is over, moved on: no lease of that desk was renewed any more."""
    leases, at_latest = Leases(shop.db), asyncio.get_running_loop().time() + 60
    async with asyncio.timeout(60) as limit:
        with leases.kept(Out([], limit, at_latest)):
            renewing = asyncio.create_task(leases.renew())
            await asyncio.sleep(0)
    assert not renewing.done()
    await renewing


@pytest.mark.parametrize("deadline", [timedelta(seconds=10), SMTP])
async def test_a_call_counts_its_lease_from_the_look_that_found_it_not_from_its_start(
    shop: Shop, deadline: timedelta
) -> None:
    """A look's commit may take long. Caught: a webhook's call that has its whole deadline from its start, whatever is
    left of its lease."""
    _, mail = await a_slow_call(shop, "advert")
    silent = SlowGateway(deadline=deadline)
    hands = Hands(shop.db, shop.office.outbox, shop.office.published, None, silent, Leases(shop.db))  # type: ignore[arg-type]
    looked_at = asyncio.get_running_loop().time() - least_left(deadline).total_seconds() + 0.01
    async with asyncio.timeout(5):
        [outcome] = await handover.call(hands, mail.handed, looked_at)
    assert isinstance(outcome, Ambiguous)
    assert silent.handed


class OnceAwayDb:
    """A database that is away when it is asked first."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self.away_at = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def transaction(self, **how: Any) -> object:
        """The second time."""
        if self.away_at:
            return self._db.transaction(**how)
        self.away_at = asyncio.get_running_loop().time()
        raise Unavailable("the database is away")


async def test_a_look_that_had_to_be_made_again_is_counted_from_the_one_that_was(shop: Shop) -> None:
    """Caught: the time the database was away taken from a call that has enough of its lease left."""
    desk, mail = await a_slow_call(shop, "notice")
    db, counter = OnceAwayDb(shop.db), desk._counter(shop.office.published.of(WORKSPACE))
    hands = Hands(db, shop.office.outbox, shop.office.published, counter, mail, Leases(shop.db))  # type: ignore[arg-type]
    going, looked_at = await handover._looked(hands, mail.handed)
    assert list(going) == mail.handed
    assert looked_at > db.away_at > 0


async def test_an_answer_nobody_has_taken_over_meanwhile_counts(shop: Shop) -> None:
    """A lease that ended unnoticed is renewed: what counts is that nobody took over."""
    desk, mail = await a_slow_call(shop, "advert")
    await later(shop, ENDED)
    await desk._leases.renew()
    mail.answer.set()
    await desk.drain()
    assert await shop.status("m1") == ("sent", "accepted")


async def test_a_call_is_cut_off_when_its_lease_ends_and_the_database_is_away(shop: Shop) -> None:
    """So what is found after a lease has ended is surely not being called.

    Caught: a call that may be out to the very end of its lease, which leaves its answer no time.
    """
    [_, mail], loop = await a_slow_call(shop, "advert"), asyncio.get_running_loop()
    claimed, began = mail.handed, loop.time()
    leases, away = Leases(shop.db), Leases(AwayDb())  # type: ignore[arg-type]
    async with asyncio.timeout(20) as limit:
        with leases.kept(Out(claimed, limit, began + 40)):
            await leases.renew()
            cut_at = limit.when() or 0
            assert began + 20 < cut_at, "moved on"
            renewed_until = loop.time() + LONGEST.total_seconds()  # at the latest
            assert cut_at <= renewed_until - TO_RECORD.total_seconds(), "an answer just before can be recorded in time"
            with away.kept(Out(claimed, limit, began + 100)), pytest.raises(Unavailable):
                await away.renew()
            assert limit.when() == cut_at
        with leases.kept(Out(claimed, limit, began + 21)):
            await leases.renew()
            assert limit.when() == began + 21, "never beyond the gateway's own deadline"


class AwayDb:
    """A database that is away."""

    def transaction(self, **_how: object) -> object:
        """Never."""
        raise Unavailable("the database is away")


def next_of(leases: Leases) -> asyncio.TimerHandle | None:
    """When they are renewed next."""
    return leases._next


class BrokenDb:
    """A database whose driver raises what nobody expects."""

    def transaction(self, **_how: object) -> object:
        """Never."""
        raise ValueError("not what we raise")


@pytest.mark.parametrize("db", [AwayDb(), BrokenDb()])
async def test_after_a_renewal_that_failed_however_comes_the_next(db: object) -> None:
    """Caught: any error but `Unavailable` ending all renewals of that desk, so that every call was cut off."""
    leases, loop = Leases(db), asyncio.get_running_loop()  # type: ignore[arg-type]
    async with asyncio.timeout(20) as limit:
        with leases.kept(Out([], limit, loop.time() + 60)), capture_logs() as logged:
            first = next_of(leases)
            assert first
            first.cancel()
            leases._begin()  # as that moment does
            assert leases._renewing
            await asyncio.wait([leases._renewing])
            again = next_of(leases)
            assert again
            assert again.when() <= loop.time() + TRIED_AGAIN.total_seconds()
            again.cancel()
    assert [one["log_level"] for one in logged] == ["warning" if isinstance(db, AwayDb) else "error"]


class CountedLeases(Leases):
    """Leases that count how often they are renewed."""

    renewals = 0

    async def renew(self) -> None:
        """Counted."""
        self.renewals += 1
        await super().renew()


async def test_a_mail_that_is_taken_at_once_costs_no_renewal(shop: Shop) -> None:
    """Caught: a renewal as soon as a call is out; a call that is back and still renewed."""
    mail = ToldGateway(deadline=SMTP, answers=lambda _one: Accepted("taken"))
    await shop.hear(some_facts(), a_message(template="notice", at=shop.clock()))
    leases = shop.desk(mail)._leases = CountedLeases(shop.db)
    await shop.work(mail)
    assert await shop.status("m1") == ("sent", "accepted")
    first = next_of(leases)
    assert first, "its lease would have been renewed"
    first.cancel()
    leases._begin()  # as that moment does
    await asyncio.sleep(0)
    assert leases.renewals == 0
