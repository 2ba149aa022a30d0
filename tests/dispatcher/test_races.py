"""Races, on both databases: caps hold, nothing is claimed twice, a withdrawal stops what comes after it."""

import asyncio
from datetime import timedelta

from dangol.clock import utc_now
from dangol.definitions import Document
from dangol.messages import Message
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.model import Claimed, Outcome
from tests.support.dispatching import (
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_consent,
    a_message,
    documents,
    open_shop,
    some_facts,
)
from tests.support.house import until

CHANNELS = ("email", "sms", "push")
CAP = {"caps": [{"cap": "three", "at_most": 3, "per": "24h", "of": {"category": "marketing"}, "over": "drop"}]}


def gates() -> list[ToldGateway]:
    return [ToldGateway(f"{channel}-gate", channel, batch=10) for channel in CHANNELS]


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


async def test_a_cap_of_three_under_a_hundred_claims_on_three_channels_never_gives_four(migrated_url: str) -> None:
    gateways = gates()
    async with open_shop(migrated_url, WoundClock(utc_now()), documents(CAP)) as shop:
        shop.db.clock = utc_now
        messages = [now_message(f"m{n}", by=(CHANNELS[n % 3],), enrolment=f"e{n}") for n in range(100)]
        await shop.hear(some_facts(), *messages)
        await crowd(shop, gateways, each=4)
        assert sum(len(gateway.handed) for gateway in gateways) == 3
        statuses = [(await shop.status(message.id))[0] for message in messages]
        assert sorted(set(statuses)) == ["dropped", "sent"]
        assert statuses.count("sent") == 3


async def test_many_claimers_claim_nothing_twice(migrated_url: str) -> None:
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


async def test_after_a_withdrawal_is_committed_nothing_is_claimed(migrated_url: str) -> None:
    async with open_shop(migrated_url, WoundClock(utc_now()), documents()) as shop:
        shop.db.clock = utc_now
        withdrawn = asyncio.Event()
        late: list[str] = []

        def answer_and_note(one: Claimed) -> Outcome:
            if withdrawn.is_set():
                late.append(str(one))
            return accepted(one)

        mail = ToldGateway(batch=5, concurrency=2)
        accepted = mail.answers
        mail.answers = answer_and_note
        messages = [now_message(f"m{n}", enrolment=f"e{n}") for n in range(200)]
        await shop.hear(some_facts(), *messages)

        async def withdraw() -> None:
            await until(lambda: bool(mail.handed))
            refusal = a_consent(granted=False, at=utc_now())
            await shop.hear(some_facts(version=2, consents=(refusal,)))
            await asyncio.sleep(0.25)  # what was claimed before may still be on its way
            withdrawn.set()

        await asyncio.gather(crowd(shop, [mail], each=3), withdraw())
        assert late == []
        assert 0 < len(mail.handed) < 200
        ended = [await shop.status(message.id) for message in messages]
        assert ended.count(("dropped", "withdrawn")) == 200 - len(mail.handed)


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
