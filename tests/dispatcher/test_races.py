"""Crowds, on both databases: nothing is claimed twice, a rate is kept. `tests/races` has the races of the rules."""

import asyncio
from datetime import timedelta

from dangol.clock import utc_now
from dangol.definitions import Document
from dangol.messages import Message
from dangol_dispatcher.desk import Desk
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


def now_message(id: str, **given: object) -> Message:
    return a_message(id, at=utc_now(), **given)


async def crowd(shop: Shop, gateways: list[ToldGateway], each: int) -> None:
    """So many desks a gateway, all at once, until nothing is due."""
    desks = [Desk(shop.office, WORKSPACE, gateway.name, gateway) for gateway in gateways for _ in range(each)]

    async def until_done(desk: Desk) -> None:
        for _ in range(200):
            until = await desk.step()
            await desk.drain()
            if until is None or until > shop.db.clock() + timedelta(seconds=2):
                return
            await asyncio.sleep(0.01)

    await asyncio.gather(*(until_done(desk) for desk in desks))


async def test_case_62_many_claimers_claim_nothing_twice(migrated_url: str) -> None:
    """Caught: people and messages read without their locks."""
    mail = ToldGateway(batch=20)
    async with open_shop(migrated_url, WoundClock(utc_now()), documents()) as shop:
        shop.db.clock = utc_now
        people = [some_facts(f"p{n}") for n in range(40)]
        messages = [
            now_message(
                f"m{n}", profile=f"p{n % 40}", user_id=f"u{n % 40}", key=f"default/u{n % 40}", enrolment=f"e{n}"
            )
            for n in range(120)
        ]
        await shop.hear(*people, *messages)
        await crowd(shop, [mail], each=32)
        assert sorted(one.delivery for one in mail.handed) == sorted({one.delivery for one in mail.handed})
        assert len(mail.handed) == 120
        assert {one.attempt for one in mail.handed} == {1}


async def test_a_rate_is_kept_by_all_workers_together(migrated_url: str) -> None:
    """`limit: 50/s` is the gateway's, however many desks there are and however often they are opened."""
    mail, clock = ToldGateway(), WoundClock()
    published = [document for document in documents() if document.name != mail.name]
    paced = {"gateway": mail.name, "channel": "email", "kind": "inbox", "limit": "50/s"}
    async with open_shop(migrated_url, clock, [*published, Document("gateway", mail.name, paced)]) as shop:
        clock.at = utc_now()
        await shop.hear(some_facts(), *(now_message(f"m{n}", enrolment=f"e{n}") for n in range(200)))
        shop.db.clock = utc_now
        started = asyncio.get_running_loop().time()
        while len(mail.handed) < 100:
            desks = [Desk(shop.office, WORKSPACE, mail.name, mail) for _ in range(3)]
            await asyncio.gather(*(desk.step() for desk in desks))
            await asyncio.gather(*(desk.drain() for desk in desks))
        took = asyncio.get_running_loop().time() - started
        assert len(mail.handed) <= 50 * took + 8
