"""What may not slip through between the rules, the claim and the gateway's answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from dangol.db import in_transaction
from dangol.definitions import Document
from dangol.events import Fate
from dangol.messages import Cancel
from dangol_dispatcher.claims import claim, look
from dangol_dispatcher.considering import Counter
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Later, Outcome, Rejected
from tests.support.databases import sqlite_copy
from tests.support.dispatching import (
    NOON,
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_message,
    documents,
    fates,
    in_turn,
    open_shop,
    some_facts,
    told,
)

ONE_SMS = {"cap": "one sms", "at_most": 1, "per": "48h", "of": {"channel": "sms"}, "over": "drop"}
ONE_A_DAY = {"cap": "daily", "at_most": 1, "per": "day", "over": "drop"}
NO_MORE = Cancel(workspace=WORKSPACE, id="m1", profile="p1", key="default/u1", reason="exit_event", at=NOON)


@pytest.fixture
def clock() -> WoundClock:
    return WoundClock()


@pytest.fixture
async def shop(migrated_sqlite: Path, tmp_path: Path, clock: WoundClock) -> AsyncIterator[Shop]:
    async with open_shop(sqlite_copy(migrated_sqlite, tmp_path), clock, documents()) as shop:
        yield shop


def phones() -> ToldGateway:
    return ToldGateway("sms-gate", "sms")


@pytest.mark.parametrize("refused", [Rejected("554 spam"), Later("451")])
async def test_the_next_channel_has_caps_of_its_own(shop: Shop, refused: Outcome) -> None:
    """faults E80: a slot taken on mail is none on the phone."""
    mail, sms = ToldGateway(answers=lambda _one: refused), phones()
    await shop.publish(documents({"caps": [ONE_SMS]}))
    await shop.hear(some_facts(), a_message("m1", by=("sms",)), a_message("m2", by=("email", "sms")))
    await shop.work(sms, mail)
    for _ in range(20):
        shop.clock.move(timedelta(hours=1))
        await shop.work(mail, sms)
    assert [one.message for one in sms.handed] == ["m1"]
    assert (await shop.status("m2"))[0] in ("failed", "dropped")


async def test_a_slot_of_a_channel_given_up_is_free(shop: Shop) -> None:
    """faults E78: surely nothing was sent on it."""
    one_mail = {**ONE_SMS, "of": {"channel": "email"}}
    mail, sms = ToldGateway(answers=in_turn(Rejected("554 spam"), Accepted())), phones()
    await shop.publish(documents({"caps": [one_mail]}))
    await shop.hear(some_facts(), a_message("m1", by=("email", "sms")))
    await shop.work(mail, sms)
    await shop.hear(a_message("m2"))
    await shop.work(mail, sms)
    assert [(await shop.status(id))[0] for id in ("m1", "m2")] == ["sent", "sent"]


async def test_what_is_no_longer_wanted_is_not_tried_again(shop: Shop) -> None:
    """A purchase that comes while the reminder is being tried stops the tries after it."""
    mail = ToldGateway(answers=lambda _one: Later("451"))
    await shop.hear(some_facts(), a_message())
    desk = shop.desk(mail)
    await desk.step()
    await shop.hear(NO_MORE)
    await desk.drain()
    shop.clock.move(timedelta(minutes=5))
    await shop.work(mail)
    assert len(mail.handed) <= 1
    assert await shop.status("m1") == ("cancelled", "cancelled")
    assert (told(shop)[-1], fates(shop)) == (("dropped", "cancelled"), [Fate.DROPPED])


async def test_several_that_are_being_tried_are_no_longer_wanted(shop: Shop) -> None:
    """Found by the simulation: a statement of two such messages was refused, and the reader stood still for ever."""
    mail = ToldGateway(answers=lambda _one: Later("451"))
    await shop.hear(some_facts(), a_message("m1"), a_message("m2"))
    desk = shop.desk(mail)
    await desk.step()
    await shop.hear(NO_MORE, msgspec.structs.replace(NO_MORE, id="m2"))
    await desk.drain()
    shop.clock.move(timedelta(minutes=5))
    await shop.work(mail)
    assert [(await shop.status(id))[0] for id in ("m1", "m2")] == ["cancelled", "cancelled"]


async def test_who_is_passed_a_message_is_told_to_look(shop: Shop) -> None:
    """Found by the simulation: with one process nobody polls, and it lay there until another message came."""
    mail = ToldGateway(answers=in_turn(Rejected("554 spam")))
    told_to: list[str] = []
    desk = Desk(shop.office, WORKSPACE, mail.name, mail, lambda: told_to.append("look"))
    await shop.hear(some_facts(), a_message(by=("email", "sms")))
    await desk.step()
    await desk.drain()
    assert told_to == []
    await desk.step()
    assert told_to == ["look"]


async def test_what_is_no_longer_wanted_is_stopped_between_claim_and_call(shop: Shop) -> None:
    mail = ToldGateway()
    await shop.hear(some_facts(), a_message())
    desk = shop.desk(mail)
    await desk.step()
    await shop.hear(NO_MORE)
    await desk.drain()
    await shop.work(mail)
    assert mail.handed == []
    assert await shop.status("m1") == ("cancelled", "cancelled")


async def test_what_may_have_been_taken_is_not_repeated_once_it_is_no_longer_wanted(shop: Shop) -> None:
    mail = ToldGateway(answers=lambda _one: Ambiguous("reset"))
    await shop.hear(some_facts(), a_message(template="notice"))
    await shop.work(mail)
    await shop.hear(NO_MORE)
    shop.clock.move(timedelta(minutes=5))
    await shop.work(mail)
    assert len(mail.handed) == 1
    assert (await shop.status("m1"))[0] == "unknown"


async def test_a_try_that_would_come_too_late_is_given_up_for_the_next_channel(shop: Shop) -> None:
    mail, sms = ToldGateway(answers=lambda _one: Later("451")), phones()
    ends = NOON + timedelta(minutes=3)
    both, alone = (a_message(id, by=by, expires_at=ends) for id, by in (("m1", ("email", "sms")), ("m2", ("email",))))
    await shop.hear(some_facts(), both, alone)
    await shop.work(mail, sms)
    shop.clock.move(timedelta(seconds=70))
    await shop.work(mail, sms)
    assert await shop.status("m1") == ("sent", "accepted")
    assert await shop.status("m2") == ("failed", "gave_up")


async def test_what_another_worker_tries_is_not_left_behind_because_it_expires(shop: Shop) -> None:
    """faults D60: only the end of the lease says that a worker is gone."""
    mail = ToldGateway()
    await shop.hear(some_facts(), a_message(template="notice", expires_at=NOON + timedelta(seconds=2)))
    rules = shop.office.published.of(WORKSPACE).rules
    counter = Counter(rules, mail.name, mail.key_window, mail.deadline)
    looked = await in_transaction(shop.db, lambda conn: look(shop.db, conn, counter, 10))
    desk = shop.desk(mail)
    await desk.step()
    for call in desk._calls:
        call.cancel()  # it is slow
    await desk.drain()
    shop.clock.move(timedelta(seconds=3))
    await in_transaction(shop.db, lambda conn: claim(shop.db, conn, shop.office.outbox, counter, looked, {}, 10))
    assert (await shop.status("m1"))[0] == "claimed"


@dataclass
class SlowGateway(ToldGateway):
    """Takes what it is handed, and answers once it is let go on."""

    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Write them down; the answer is later."""
        answers = await super().send_many(claimed)
        await self.goes_on.wait()
        return answers


async def test_case_60_an_answer_that_comes_after_the_lease_still_counts(shop: Shop) -> None:
    """faults D60: the worker slept during the call; another took over, and would have repeated it blindly.

    Caught: answers to what another found that are passed over.
    """
    slept, other = SlowGateway(), ToldGateway()
    await shop.hear(some_facts(), a_message(template="notice"))
    desk = Desk(shop.office, WORKSPACE, slept.name, slept)
    await desk.step()
    while not slept.handed:  # noqa: ASYNC110
        await asyncio.sleep(0)
    shop.clock.move(timedelta(minutes=5))
    await shop.desk(other).step()
    assert (await shop.status("m1"))[0] == "retrying", "the other found what was left"
    slept.goes_on.set()
    await desk.drain()
    await shop.work(other)
    assert await shop.status("m1") == ("sent", "accepted")
    assert other.handed == []


async def test_a_retry_repeats_the_bytes_of_the_first_try(shop: Shop) -> None:
    """What was published meanwhile is for others. Caught: what is said rendered anew for a retry."""
    mail = ToldGateway(key_window=timedelta(days=1), answers=in_turn(Ambiguous("?"), Accepted()))
    await shop.hear(some_facts(), a_message(template="notice"))
    await shop.work(mail)
    new = {"subject": "new", "text": "new", "from": "s@e.test"}
    said = {"template": "notice", "category": "transactional", "email": new}
    others = [document for document in documents() if document.name != "notice"]
    await shop.publish([*others, Document("template", "notice", said)])
    shop.clock.move(timedelta(minutes=10))
    await shop.work(mail)
    first, second = mail.handed
    assert (first.delivery, first.content.raw) == (second.delivery, second.content.raw)
    assert await shop.status("m1") == ("sent", "accepted")


async def test_a_message_that_cannot_be_said_takes_no_slot_from_another(shop: Shop) -> None:
    broken = {"template": "advert", "category": "marketing", "email": {"subject": "{{ entry.nothing }}", "text": "x"}}
    fine = {"template": "fine", "category": "marketing", "email": {"subject": "hi", "text": "x", "from": "s@e.test"}}
    others = [document for document in documents({"caps": [ONE_A_DAY]}) if document.name != "advert"]
    await shop.publish([*others, Document("template", "advert", broken), Document("template", "fine", fine)])
    mail = ToldGateway()
    await shop.hear(some_facts(), a_message("high", priority=90), a_message("low", priority=10, template="fine"))
    await shop.work(mail)
    assert await shop.status("high") == ("held", "missing_value")
    assert await shop.status("low") == ("sent", "accepted")


async def test_a_rival_at_a_resting_gateway_takes_no_slot(shop: Shop) -> None:
    mail, sms = ToldGateway(answers=in_turn(Rejected("535", credentials=True), Accepted())), phones()
    await shop.publish(documents({"caps": [ONE_A_DAY]}))
    await shop.hear(some_facts(), some_facts("p2"), a_message("m0", profile="p2"))
    await shop.work(mail)
    await shop.hear(a_message("high", priority=90), a_message("low", priority=10, by=("sms",)))
    await shop.work(mail, sms)
    assert await shop.status("low") == ("sent", "accepted")


async def test_a_cap_of_none_lets_nothing_through(shop: Shop) -> None:
    mail = ToldGateway()
    await shop.hear(some_facts(), a_message("m1"))
    await shop.work(mail)
    for per in ("24h", "day"):
        await shop.publish(documents({"caps": [{**ONE_A_DAY, "at_most": 0, "per": per}]}))
        await shop.hear(a_message(f"m-{per}"))
        await shop.work(mail)
        assert await shop.status(f"m-{per}") == ("dropped", "capped")


async def test_a_template_that_raises_holds_its_message_and_stops_nobody(shop: Shop) -> None:
    """A bug in a filter is one message's trouble: the desk goes on."""
    said = {"template": "advert", "category": "marketing", "email": {"subject": "hi", "text": "{{ gift | sum }}"}}
    others = [document for document in documents() if document.name != "advert"]
    await shop.publish([*others, Document("template", "advert", said)])
    mail, hook = ToldGateway(), ToldGateway("inbox", "webhook")
    poison = {"gateway": "hook", "json": {"total": "{{ entry.many | sum }}", "text": "{{ entry.odd }}"}}
    values = {"entry": {"many": ["a", 1], "odd": {}}}
    await shop.hear(some_facts(), a_message("m2", template="notice"))
    await shop.hear(a_message("m1", values={"gift": ["x", {}]}), a_message("m3", webhook=poison, values=values, by=()))
    await shop.work(mail, hook)
    assert (await shop.status("m2"))[0] == "sent"
    assert [await shop.status(id) for id in ("m1", "m3")] == [("held", "template_error")] * 2
