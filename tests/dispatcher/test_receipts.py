"""What providers tell of a message: once, in any order, and never to lower a status."""

from datetime import timedelta

import pytest

from dangol.db import in_transaction
from dangol.errors import Invalid
from dangol.events import Fate
from dangol_dispatcher.model import Ambiguous
from dangol_dispatcher.receipts import Receipt, read_receipts, take
from tests.support.dispatching import (
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_message,
    documents,
    fates,
    open_shop,
    some_facts,
)


async def tell(shop: Shop, kind: str, event_id: str = "1", message: str = "m1", workspace: str = WORKSPACE) -> None:
    receipt = read_receipts(f'[{{"message":"{message}","kind":"{kind}","event_id":"{event_id}"}}]'.encode())
    await in_transaction(shop.db, lambda conn: take(shop.db, conn, shop.office.outbox, workspace, receipt))


async def test_case_69_a_receipt_before_our_record_is_kept_and_applied_once(url: str) -> None:
    """Caught: early receipts not looked for at the record; receipts not marked as applied."""
    mail = ToldGateway()
    async with open_shop(url, WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message())
        await tell(shop, "delivered")
        await tell(shop, "delivered")
        assert fates(shop) == []
        await shop.work(mail)
        assert (await shop.status("m1"))[0] == "delivered"
        await tell(shop, "delivered")
        assert fates(shop) == [Fate.SENT, Fate.DELIVERED]


async def test_case_69_statuses_only_rise_and_a_bounce_suppresses(url: str) -> None:
    """Caught: `delivered` after `bounced`."""
    mail = ToldGateway()
    async with open_shop(url, WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        await tell(shop, "bounced")
        await tell(shop, "delivered")
        assert (await shop.status("m1"))[0] == "bounced"
        await shop.hear(a_message("m2"))
        await shop.work(mail)
        assert await shop.status("m2") == ("dropped", "suppressed")


async def test_case_69_a_receipt_of_another_workspace_says_nothing(url: str) -> None:
    """Caught: receipts matched without their workspace."""
    mail = ToldGateway()
    async with open_shop(url, WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        await tell(shop, "bounced", workspace="other")
        assert (await shop.status("m1"))[0] == "sent"


def test_what_is_no_receipt_is_refused() -> None:
    for body in (b"{", b"{}", b'[{"message":"m","kind":"eaten"}]', b'[{"message":"m","kind":"delivered","x":1}]'):
        with pytest.raises(Invalid):
            read_receipts(body)
    assert read_receipts(b'[{"message":"m","kind":"delivered"}]') == [Receipt(message="m", kind="delivered")]


async def test_case_55_a_receipt_says_what_a_lost_answer_did_not(url: str) -> None:
    """faults D55: it was delivered, so it is not repeated blindly.

    Caught: receipts of what is to be repeated left aside.
    """
    mail = ToldGateway(answers=lambda _one: Ambiguous("timeout"))
    async with open_shop(url, WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message(template="notice"))
        await shop.work(mail)
        assert (await shop.status("m1"))[0] == "retrying"
        await tell(shop, "delivered")
        assert (await shop.status("m1"))[0] == "delivered"
        shop.clock.move(timedelta(minutes=10))
        await shop.work(mail)
        assert len(mail.handed) == 1
        assert fates(shop) == [Fate.SENT, Fate.DELIVERED]
