"""Cases of caps, consent, quiet hours and suppression, where the claim meets them; races/ has their crowds."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from dangol.db import in_transaction
from dangol.errors import Unavailable
from dangol_dispatcher.model import Accepted, Later, Outcome, Rejected
from dangol_dispatcher.receipts import read_receipts, take
from tests.support.databases import sqlite_copy
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
from tests.support.sides import now_asked, open_side
from tests.support.workshops import rows

EVENING = datetime(2026, 3, 4, 11, 49, 58, tzinfo=UTC)  # 20:49:58 in Seoul
MORNING = datetime(2026, 3, 4, 23, 0, tzinfo=UTC)  # 08:00
KR = documents(packs=["kr"])


@pytest.fixture
async def evening(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[Shop]:
    """A Korean shop two seconds before its quiet hours; its clock is wound."""
    async with open_shop(sqlite_copy(migrated_sqlite, tmp_path), WoundClock(EVENING), KR) as shop:
        yield shop


def phones() -> ToldGateway:
    return ToldGateway("sms-gate", "sms")


def apps() -> ToldGateway:
    return ToldGateway("push-gate", "push")


async def test_case_87_what_was_claimed_before_the_night_is_not_begun_in_it(evening: Shop) -> None:
    """Allowed at 20:49:58, it came to its turn at 20:50:01: it goes at eight.

    Caught: a last look that does not ask for quiet hours.
    """
    push = apps()
    await evening.hear(some_facts(), a_message(by=("push",), at=EVENING))
    desk = evening.desk(push)
    await desk.step()
    evening.clock.move(timedelta(seconds=3))
    await desk.drain()
    await evening.work(push)
    assert (push.handed, await evening.status("m1")) == ([], ("held", "no_night_consent"))
    evening.clock.move(MORNING - evening.clock() - timedelta(seconds=1))
    await evening.work(push)
    assert push.handed == []
    evening.clock.move(timedelta(seconds=1))
    await evening.work(push)
    assert await evening.status("m1") == ("sent", "accepted")


async def test_case_87_a_retry_that_comes_due_at_night_waits_for_the_morning(evening: Shop) -> None:
    """Caught: quiet hours not asked for what has its slot."""
    push = apps()
    answers: list[Outcome] = [Later("busy"), Accepted()]
    push.answers = lambda _one: answers.pop(0)
    await evening.hear(some_facts(), a_message(by=("push",), at=EVENING))
    await evening.work(push)
    for _ in range(30):
        evening.clock.move(timedelta(minutes=20))
        await evening.work(push)
    assert len(push.handed) == 1
    evening.clock.move(MORNING - evening.clock())
    await evening.work(push)
    assert len(push.handed) == 2


async def test_case_49_after_an_outage_over_the_evening_no_advert_leaves_in_the_night(evening: Shop) -> None:
    """Down from 20:49 to 05:00: adverts wait until eight, what is worthless by then goes nowhere, notices go.

    Caught: quiet hours by the moment it was asked; notices held too.
    """
    push = apps()
    lasting = a_message("m1", by=("push",), at=EVENING)
    worthless = a_message("m2", by=("push",), at=EVENING, expires_at=EVENING + timedelta(hours=2))
    too_late = a_message("m3", by=("push",), at=EVENING, expires_at=MORNING - timedelta(minutes=1))
    notice = a_message("m4", by=("push",), at=EVENING, template="notice")
    await evening.hear(some_facts(), lasting, worthless, too_late, notice)
    evening.clock.move(timedelta(hours=8, minutes=11))
    await evening.work(push)
    assert [one.message for one in push.handed] == ["m4"]
    assert await evening.status("m1") == ("held", "no_night_consent")
    assert [(await evening.status(id))[0] for id in ("m2", "m3")] == ["expired", "dropped"]
    evening.clock.move(MORNING - evening.clock())
    await evening.work(push)
    assert [one.message for one in push.handed] == ["m4", "m1"]


async def test_case_90_a_notice_goes_at_three_in_the_night_and_an_advert_waits(evening: Shop) -> None:
    """Caught: quiet hours of all categories."""
    push = apps()
    evening.clock.move(timedelta(hours=6, minutes=11))
    now = evening.clock()
    adverts = a_message("advert", by=("push",), at=now)
    await evening.hear(some_facts(), adverts, a_message("notice", by=("push",), at=now, template="notice"))
    await evening.work(push)
    assert [one.message for one in push.handed] == ["notice"]
    assert await evening.status("advert") == ("held", "no_night_consent")


@pytest.mark.parametrize("word", ["bounced", "complained", "refused"])
async def test_case_91_a_dead_address_is_dead_for_what_waits_already(migrated_url: str, word: str) -> None:
    """Told by a receipt, or by the answer of a call: what was asked before it is not claimed after it.

    Caught: suppressions read when a message is asked.
    """
    mail = ToldGateway(batch=1, concurrency=1)
    async with open_side(migrated_url, documents()) as shop:
        if word == "refused":
            mail.answers = lambda _one: Rejected("550 5.1.1", suppress=True)
        await shop.hear(some_facts(), now_asked(shop, "m1"))
        await shop.work(mail)
        await shop.hear(now_asked(shop, "m2"), now_asked(shop, "m3", template="notice"))
        if word != "refused":
            receipt = read_receipts(f'[{{"message":"m1","kind":"{word}","event_id":"1"}}]'.encode())
            await in_transaction(shop.db, lambda conn: take(shop.db, conn, shop.office.outbox, WORKSPACE, receipt))
        await shop.work(mail)
        assert [one.message for one in mail.handed] == ["m1"]
        assert [await shop.status(id) for id in ("m2", "m3")] == [("dropped", "suppressed")] * 2


async def test_case_85_no_consent_of_an_import_lifts_a_suppression_or_a_newer_refusal(migrated_url: str) -> None:
    """A file of statements, told again after a refusal and a bounce.

    Caught: the statement heard last wins, not the newest; consent that lifts a suppression.
    """
    mail, sms = ToldGateway(answers=lambda _one: Rejected("550 5.1.1", suppress=True)), phones()
    async with open_side(migrated_url, documents()) as shop:
        await shop.hear(some_facts(), now_asked(shop, "m1"))
        await shop.work(mail)
        now = shop.clock()
        refusal = a_consent(False, channels=("sms",), at=now)
        imported = (a_consent(at=now - timedelta(hours=1)), a_consent(at=now - timedelta(days=90)))
        await shop.hear(some_facts(version=2, consents=(refusal,)), some_facts(version=3, consents=imported))
        await shop.hear(now_asked(shop, "m2"), now_asked(shop, "m3", by=("sms",)))
        await shop.work(mail, sms)
        assert [await shop.status(id) for id in ("m2", "m3")] == [("dropped", "suppressed"), ("dropped", "withdrawn")]
        assert (len(mail.handed), sms.handed) == (1, [])


@contextmanager
def unreadable(url: str) -> Iterator[None]:
    """A SQLite file that somebody else holds."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def test_case_94_where_the_rules_cannot_be_read_nothing_is_sent(migrated_url: str) -> None:
    """Not even between the claim and the call; and once they can be, all is sent once.

    Caught: a call without its last look; suppressions that cannot be read taken for none.
    """
    mail = ToldGateway()
    async with open_side(migrated_url, documents()) as shop:
        await shop.hear(some_facts(), now_asked(shop, "m1"))
        await shop.desk(mail).step()  # claimed, and the call is about to take its second look
        await shop.hear(now_asked(shop, "m2"))
        if shop.db.dialect == "sqlite":
            with unreadable(migrated_url):
                await asyncio.sleep(0)
                with pytest.raises(Unavailable):
                    await shop.desk(mail).step()
                assert mail.handed == []
        else:
            other = await asyncpg.connect(migrated_url)
            async with other.transaction():
                await other.execute("LOCK TABLE suppression IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(Unavailable):  # after the lock's 5 s
                    await shop.desk(mail).step()
                assert mail.handed == []
            await other.close()
        await shop.desk(mail).drain()
        await shop.work(mail)
        assert sorted(one.message for one in mail.handed) == ["m1", "m2"]
        assert await rows(shop.db, "SELECT status, count(*) FROM message GROUP BY status") == [("sent", 2)]
