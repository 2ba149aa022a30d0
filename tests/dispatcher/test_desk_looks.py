"""How often a desk looks and renders: where nothing can have become due, not at all; what is rendered, once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.definitions import Document
from dangol_dispatcher.desk import KEPT_FOR, Desk
from dangol_dispatcher.links import UNSUBSCRIBE, Sealer
from dangol_dispatcher.model import Claimed, Later, Outcome
from dangol_dispatcher.stock import Stock
from tests.support.dispatching import (
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_message,
    documents,
    in_turn,
    open_shop,
    some_facts,
)


class CountedDesk(Desk):
    """A desk that counts its looks."""

    looks = 0

    async def _look(self, conn: AsyncConnection) -> Any:
        self.looks += 1
        return await super()._look(conn)


class CountedSealer(Sealer):
    """Seals, and counts for how many renderings."""

    renderings = 0

    def token(self, purpose: str, *fields: str) -> str:
        self.renderings += purpose == UNSUBSCRIBE
        return super().token(purpose, *fields)


@dataclass
class HeldGateway(ToldGateway):
    """A gateway whose calls come back when they are let."""

    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        await self.let.wait()
        return await super().send_many(claimed)


@asynccontextmanager
async def at_work(shop: Shop, mail: ToldGateway) -> AsyncIterator[CountedDesk]:
    """A desk that runs, and has looked once."""
    desk, stop = CountedDesk(shop.office, WORKSPACE, mail.name, mail), asyncio.Event()
    running = asyncio.create_task(desk.run(stop))
    await rests(desk, looks=1)
    yield desk
    stop.set()
    desk.wake.set()
    await running


async def rests(desk: CountedDesk, looks: int) -> None:
    async with asyncio.timeout(20):
        while desk.looks < looks or not desk.at_rest:  # noqa: ASYNC110 - a desk tells it by what it is
            await asyncio.sleep(0.001)


async def test_a_call_that_is_back_rings_nobody_where_nothing_waits(url: str) -> None:
    # caught: every call that is back ringing the desk, one look more
    async with open_shop(url, WoundClock(), documents()) as shop, at_work(shop, mail := ToldGateway()) as desk:
        await shop.hear(some_facts(), a_message("m1"))
        desk.wake.set()
        await rests(desk, looks=3)
        assert (await shop.status("m1"))[0] == "sent"
        assert desk.looks == 3  # at the start, with the message, and that there are no more
        assert len(mail.handed) == 1


async def test_what_is_to_be_tried_again_is_looked_for_at_once(url: str) -> None:
    # caught: nobody rung for a retry: the desk would sleep until the lease's end
    mail = ToldGateway(answers=in_turn(Later("busy")))
    async with open_shop(url, WoundClock(), documents()) as shop, at_work(shop, mail) as desk:
        await shop.hear(some_facts(), a_message("m1"))
        desk.wake.set()
        await rests(desk, looks=4)
        assert (await shop.status("m1"))[0] == "retrying"
        assert desk.looks == 4


@pytest.mark.parametrize("steps", [1, 3])
async def test_what_waits_for_a_connection_goes_when_one_is_back_and_is_rendered_once(url: str, steps: int) -> None:
    # caught: the stock forgotten by a look while every connection is taken; nobody rung when one is free again
    mail = HeldGateway(batch=1, concurrency=1)
    async with open_shop(url, WoundClock(), documents()) as shop:
        sealer = CountedSealer([b"secret"], "https://msg.example")
        shop.office = replace(shop.office, sealer=sealer)
        people = [f"p{number}" for number in range(4)]
        await shop.hear(*map(some_facts, people), *(a_message(f"m{who}", profile=who) for who in people))
        desk = shop.desk(mail)
        for _ in range(steps):
            await desk.step()  # the first is out; then nothing can start
        mail.let.set()
        await desk.drain()
        assert desk.wake.is_set()
        await shop.work(mail)
        assert sorted(one.message for one in mail.handed) == [f"m{who}" for who in people]
        assert sealer.renderings == len(people)


@pytest.mark.parametrize(("waited", "said"), [([KEPT_FOR], "hi"), ([KEPT_FOR * 0.6] * 2, "안녕")])
async def test_words_that_wait_for_a_connection_are_rendered_anew_before_they_are_old(
    url: str, waited: Sequence[timedelta], said: str
) -> None:
    """Caught: a stock kept for as long as every connection is taken: a mail server takes minutes; one whose age counts
    from the desk's start, or from a look that rendered nothing."""
    mail, text = HeldGateway(batch=1, concurrency=1), {"subject": "hi", "text": "hi", "from": "Shop <shop@x.test>"}
    body = {
        "template": "notice",
        "category": "transactional",
        "email": text,
        "locales": {"ko": {"email": text | {"text": "안녕"}}},
    }
    published = [one for one in documents() if one.name != "notice"]
    async with open_shop(url, WoundClock(), [*published, Document("template", "notice", body)]) as shop:
        people = ("p1", "p2")
        await shop.hear(*(some_facts(who, locale="en") for who in people))
        await shop.hear(*(a_message(f"m{who}", profile=who, template="notice") for who in people))
        desk = shop.desk(mail)
        shop.clock.move(2 * KEPT_FOR)
        await desk.step()
        await shop.hear(*(some_facts(who, version=2, locale="ko") for who in people))
        for span in waited:
            shop.clock.move(span)
            await desk.step()  # nothing can start
        mail.let.set()
        await desk.drain()
        await shop.work(mail)
        assert [one.content.parts["text"] for one in mail.handed] == ["hi", said]


class RelievedDesk(Desk):
    """A desk whose calls come back while it restocks."""

    async def _restock(self) -> tuple[Stock | None, datetime | None]:
        assert isinstance(self.gateway, HeldGateway)
        self.gateway.let.set()
        await self.drain()
        self.gateway.let.clear()
        return await super()._restock()


async def test_a_connection_that_comes_free_while_it_restocks_leaves_no_claimed_in_stock(url: str) -> None:
    """Caught: what was in stock put back though the new stock's claims were of the same messages."""
    mail = HeldGateway(batch=1, concurrency=1)
    async with open_shop(url, WoundClock(), documents()) as shop:
        people = [f"p{number}" for number in range(4)]
        await shop.hear(*map(some_facts, people), *(a_message(f"m{who}", profile=who) for who in people))
        desk = RelievedDesk(shop.office, WORKSPACE, mail.name, mail)
        for _ in range(2):
            await desk.step()
        assert desk._stock
        left = [one.waiting.request.message.id for one in desk._stock.left]
        assert len(left) == 2
        assert {await shop.status(id) for id in left} == {("asked", "")}
        mail.let.set()
        await desk.drain()
