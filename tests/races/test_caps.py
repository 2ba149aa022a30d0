"""A cap is exactly kept: under crowds of claimers, on three channels, through kills between claim and record."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.clock import utc_now
from dangol.db import in_transaction
from dangol.definitions import Document, publish
from dangol.messages import Facts, Message
from dangol.service import House, Service
from dangol_dispatcher import main as dispatcher
from dangol_dispatcher.claims import Round
from dangol_dispatcher.considering import Considered
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.rows import MESSAGE
from dangol_dispatcher.stock import Stock
from dangol_journey import main as journey
from tests.contract.conftest import Ground, another
from tests.support.crowds import CHANNELS, crowd, open_shops, three_gates
from tests.support.databases import postgres_database
from tests.support.dispatching import PHONE, WORKSPACE, Shop, ToldGateway, documents, some_facts
from tests.support.racing import TIMES, chance
from tests.support.sides import let_pass, now_asked
from tests.support.working import eventually
from tests.support.workshops import did, record_of, rows

THREE = {"caps": [{"cap": "three", "at_most": 3, "per": "24h", "of": {"category": "marketing"}, "over": "drop"}]}
EACH = 100  # journeys of a person that ask at once
CLAIMERS = 22  # a channel: 66 in all
A_MOMENT, LEASE = timedelta(seconds=2), timedelta(minutes=2)


async def ask(shop: Shop, people: int, each: int) -> None:
    """So many messages of each person, over three channels."""
    facts: list[Facts | Message] = [some_facts(f"p{n}") for n in range(people)]
    asked = [
        now_asked(
            shop,
            f"m{n}-{k}",
            profile=f"p{n}",
            user_id=f"u{n}",
            key=f"default/u{n}",
            journey=f"j{k}",
            by=(CHANNELS[k % 3],),
        )
        for k in range(each)
        for n in range(people)
    ]
    await shop.hear(*facts, *asked)


async def ended(shop: Shop) -> dict[str, Counter[str]]:
    """By person, how many messages stand where."""
    found: dict[str, Counter[str]] = {}
    for profile, status, count in await rows(
        shop.db, "SELECT profile, status, count(*) FROM message GROUP BY profile, status"
    ):
        found.setdefault(profile, Counter())[status] = count
    return found


@pytest.mark.parametrize(("people", "each", "claimers"), [(1, EACH, CLAIMERS), (12, 12, 4)] * TIMES)
async def test_case_77_case_80_a_cap_of_three_under_crowds_on_three_channels_never_gives_four(
    migrated_url: str, people: int, each: int, claimers: int
) -> None:
    """Caught: a cap that lets one more through; what was sent on another channel not counted."""
    gates = three_gates()
    async with open_shops(migrated_url, documents(THREE)) as shops:
        await ask(shops[0], people, each)
        for _ in range(3):  # who stepped back for a higher one asks again a moment later
            await crowd(shops, gates, claimers)
            await let_pass(shops[0], A_MOMENT)
        assert await ended(shops[0]) == {f"p{n}": {"sent": 3, "dropped": each - 3} for n in range(people)}
    handed = Counter(one.profile for gate in gates for one in gate.handed)
    assert handed == {f"p{n}": 3 for n in range(people)}


class OpenDesk(Desk):
    """A desk whose claim is not committed before it is let go on."""

    def __init__(self, shop: Shop, gateway: ToldGateway) -> None:
        super().__init__(shop.office, WORKSPACE, gateway.name, gateway)
        self.claimed, self.goes_on = asyncio.Event(), asyncio.Event()

    async def _claim(self, conn: AsyncConnection, stock: Stock) -> tuple[Round | None, list[Considered]]:
        found = await super()._claim(conn, stock)
        self.claimed.set()
        await self.goes_on.wait()
        return found


@pytest.fixture
def postgres_url(postgres_server: str, migrated_postgres: str) -> Iterator[str]:
    """A migrated database."""
    with postgres_database(postgres_server, migrated_postgres) as url:
        yield url


@pytest.mark.postgres
async def test_case_77_slots_of_a_claim_that_is_not_committed_yet_are_taken(postgres_url: str) -> None:
    """Three that matter more come due on another channel meanwhile. On SQLite no claim sees another that is open.

    Caught: people read without their lock.
    """
    mail, sms = ToldGateway(), ToldGateway("sms-gate", "sms")
    async with open_shops(postgres_url, documents(THREE)) as (shop, other):
        low = [now_asked(shop, f"low{n}") for n in range(3)]
        high = [now_asked(shop, f"high{n}", by=("sms",), priority=90) for n in range(3)]
        await shop.hear(some_facts(), *low, *high)
        await _due_in(shop, sms, timedelta(hours=1))
        desk = OpenDesk(shop, mail)
        claiming = asyncio.create_task(desk.step())
        await desk.claimed.wait()
        await _due_in(shop, sms, timedelta(0))
        await other.desk(sms).step()
        await other.desk(sms).drain()
        desk.goes_on.set()
        await claiming
        await desk.drain()
        await other.work(sms)
        assert await ended(shop) == {"p1": {"sent": 3, "dropped": 3}}
    assert (len(mail.handed), sms.handed) == (3, [])


async def _due_in(shop: Shop, gateway: ToldGateway, span: timedelta) -> None:
    """What waits for a gateway is due so much later than now."""

    async def work(conn: AsyncConnection) -> None:
        at = await shop.db.now(conn) + span
        await conn.execute(update(MESSAGE).where(MESSAGE.c.gateway == gateway.name).values(due_at=at))

    await in_transaction(shop.db, work)


@pytest.mark.parametrize("turn", range(TIMES))
async def test_case_78_a_cap_is_kept_though_workers_die_and_what_nobody_knows_keeps_its_slot(
    migrated_url: str, turn: int
) -> None:
    """Caught: `ambiguous` that gives the slot back; a lease that is never looked at again."""
    fate, people, each = chance(f"caps {turn}"), 12, 9
    gates = three_gates(fate, dies=0.4)
    async with open_shops(migrated_url, documents(THREE)) as shops:
        await ask(shops[0], people, each)
        for n in range(6):
            gates[0].dies = 0.4 if n else 1.0  # some surely die in the act
            await crowd(shops, gates, 4, fate, dies=0.3)
            await let_pass(shops[0], LEASE)
        stands = await ended(shops[0])
    handed = Counter(one.profile for gate in gates for one in gate.handed)
    assert sum(one["unknown"] for one in stands.values()) > 0, "nobody died in the act"
    for profile, statuses in stands.items():
        assert statuses["sent"] + statuses["unknown"] == 3, f"{profile}: {statuses}"
        assert statuses["dropped"] == each - 3
        assert handed[profile] <= 3


@asynccontextmanager
async def all_roles(ground: Ground) -> AsyncIterator[None]:
    """Two journeys and two dispatchers at work, on connections of their own; on SQLite one of each."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(another(ground))
        embedded = second is ground
        services: list[Service] = []
        for n, one in enumerate([ground] if embedded else [ground, second]):
            settings = replace(one.settings, member=f"w{n}")
            house = House(settings, one.db, one.stream, utc_now, embedded=embedded)
            services.append(await stack.enter_async_context(journey.open_service(house)))
            services.append(await stack.enter_async_context(dispatcher.open_service(house)))
        tasks = [asyncio.create_task(service.run(stop)) for service in services]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)


def hundred_journeys() -> list[Document]:
    """A hundred journeys, each with an advert on one of three channels, all begun by the same event."""
    return [
        Document("journey", f"j{n}", {
            "journey": f"j{n}", "enter": {"event": "Signed Up"}, "steps": [{"send": "advert", "by": [CHANNELS[n % 3]]}]
        })
        for n in range(EACH)
    ]  # fmt: skip


async def test_case_77_a_hundred_journeys_begun_by_one_event_send_three(ground: Ground) -> None:
    """The whole way: an event, a hundred enrolments, a hundred messages, three of them sent. Caught: caps not asked."""
    await publish(ground.db, WORKSPACE, [*documents(THREE), *hundred_journeys()], by="test")
    traits = {"email": "a@example.test", "phone": PHONE}
    given = {"purpose": "marketing", "channels": ["all"], "wording": "yes"}
    agreed = did("Consent Given", properties=given, context={"device": {"token": "t1", "type": "ios"}}, traits=traits)
    async with all_roles(ground):
        await ground.stream.append([record_of(agreed), record_of(did("Signed Up"))])

        async def decided() -> bool:
            over = "SELECT count(*) FROM message WHERE status IN ('sent', 'dropped', 'failed', 'expired')"
            return await rows(ground.db, over) == [(EACH,)]

        await eventually(decided, 60)
        found = await rows(ground.db, "SELECT status, count(*) FROM message GROUP BY status ORDER BY status")
        assert found == [("dropped", EACH - 3), ("sent", 3)]
        channels = await rows(ground.db, "SELECT count(DISTINCT channel) FROM delivery")
        assert channels[0][0] >= 1
