"""A message's way over a desk: claimed, handed over, recorded; and every answer a gateway can give."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from dangol.db import in_transaction
from dangol.decisions import Verdict
from dangol.definitions import Document
from dangol.events import Fate
from dangol.messages import Cancel
from dangol_dispatcher import replay, switches
from dangol_dispatcher.answering import WORKERS_ENDED
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Later, Outcome, Rejected
from tests.support.dispatching import (
    NOON,
    WORKSPACE,
    Shop,
    ToldGateway,
    WoundClock,
    a_consent,
    a_message,
    documents,
    fates,
    in_turn,
    open_shop,
    some_facts,
    told,
)

DAY = timedelta(days=1)


@asynccontextmanager
async def shop_of(url: str, *more: Document, caps: Any = None) -> AsyncIterator[Shop]:
    named = {document.name for document in more}
    kept = [document for document in documents(caps) if document.name not in named]
    async with open_shop(url, WoundClock(), [*kept, *more]) as shop:
        yield shop


async def delivery_of(shop: Shop, id: str = "m1") -> dict[str, Any]:
    return dict((await shop.see(id))["deliveries"][-1])


async def test_a_repeat_of_what_journey_said_changes_nothing(url: str) -> None:
    mail = ToldGateway()
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        assert len(mail.handed) == 1
        assert (told(shop), fates(shop)) == ([("sent", "accepted")], [Fate.SENT])


async def test_a_temporary_failure_is_tried_again_with_the_same_key_and_bytes(url: str) -> None:
    mail = ToldGateway(answers=in_turn(Later("451"), Later("451"), Accepted("ok")))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        assert await shop.status("m1") == ("retrying", "temporary_failure")
        shop.clock.move(timedelta(seconds=50))
        await shop.work(mail)
        assert len(mail.handed) == 1  # the first pause is a minute, give or take a tenth
        for _ in range(2):
            shop.clock.move(timedelta(minutes=6))
            await shop.work(mail)
        assert await shop.status("m1") == ("sent", "accepted")
        assert [one.attempt for one in mail.handed] == [1, 2, 3]
        assert len({(one.delivery, one.content.raw) for one in mail.handed}) == 1
        assert [verdict for verdict, _ in told(shop)] == [Verdict.RETRIED, Verdict.RETRIED, Verdict.SENT]


async def test_what_was_asked_to_wait_waits_and_no_attempt_is_counted(url: str) -> None:
    mail = ToldGateway(answers=in_turn(Later("429", timedelta(seconds=120), throttled=True), Accepted(), Accepted()))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        await shop.hear(a_message("m2"))
        shop.clock.move(timedelta(seconds=119))
        await shop.work(mail)
        assert len(mail.handed) == 1
        shop.clock.move(timedelta(seconds=1))
        await shop.work(mail)
        assert [await shop.status(id) for id in ("m1", "m2")] == [("sent", "accepted")] * 2
        assert (await delivery_of(shop))["counted_attempts"] == 1


async def test_case_67_a_permanent_refusal_suppresses_and_takes_the_next_channel_at_once(url: str) -> None:
    """Caught: no suppression; a refused channel that is not passed over."""
    mail = ToldGateway(answers=lambda _one: Rejected("550 no such user", suppress=True))
    sms = ToldGateway("sms-gate", "sms")
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(by=("email", "sms")))
        await shop.work(mail, sms)
        assert await shop.status("m1") == ("sent", "accepted")
        assert [one.content.channel for one in sms.handed] == ["sms"]
        assert told(shop) == [("skipped", "rejected_permanently"), ("sent", "accepted")]
        await shop.hear(a_message("m2"))
        await shop.work(mail, sms)
        assert await shop.status("m2") == ("dropped", "suppressed")


async def test_a_refusal_on_every_channel_is_a_dead_letter_that_can_be_played_again(url: str) -> None:
    mail = ToldGateway(answers=in_turn(Rejected("554 spam"), Accepted()))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        assert await shop.status("m1") == ("failed", "rejected_permanently")
        assert fates(shop) == [Fate.FAILED]
        for expected in (True, False):
            again = await in_transaction(shop.db, lambda conn: replay.replay(shop.db, conn, WORKSPACE, "m1"))
            assert again is expected
        await shop.work(mail)
        assert await shop.status("m1") == ("sent", "accepted")
        again = await in_transaction(shop.db, lambda conn: replay.replay(shop.db, conn, WORKSPACE, "m1"))
        assert not again
        assert len({one.delivery for one in mail.handed}) == 1


async def test_refused_credentials_pause_the_gateway_and_fail_nothing(url: str) -> None:
    mail = ToldGateway(answers=in_turn(Rejected("535 auth", credentials=True)))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(), a_message("m2", at=NOON))
        mail.batch = 1
        mail.concurrency = 1
        await shop.work(mail)
        shop.clock.move(timedelta(hours=2))
        await shop.work(mail)
        assert len(mail.handed) == 1
        assert [(await shop.status(id))[0] for id in ("m1", "m2")] == ["retrying", "asked"]


async def test_case_64_after_failures_in_a_row_one_probe_tries(url: str) -> None:
    """Caught: no circuit; all that waits as the probe."""
    mail = ToldGateway(answers=lambda _one: Later("503"))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), *(a_message(f"m{n}", template="notice") for n in range(8)))
        await shop.work(mail)
        assert len(mail.handed) == 8
        shop.clock.move(timedelta(minutes=2))
        await shop.work(mail)
        assert len(mail.handed) == 9
        mail.answers = lambda _one: Accepted()
        shop.clock.move(timedelta(minutes=5))
        await shop.work(mail)
        shop.clock.move(timedelta(minutes=20))
        await shop.work(mail)
        assert {(await shop.status(f"m{n}"))[0] for n in range(8)} == {"sent"}


@pytest.mark.parametrize(
    ("template", "window", "tries", "status"),
    [
        ("advert", None, 1, "unknown"),  # at most once
        ("notice", None, 2, "sent"),  # at least once, one blind repeat
        ("advert", timedelta(hours=1), 2, "sent"),  # effectively once, within the window of the key
        ("advert", timedelta(seconds=1), 1, "unknown"),  # the window closes before the repeat
    ],
)
async def test_an_answer_nobody_got_is_dealt_with_as_the_mode_says(
    url: str, template: str, window: timedelta | None, tries: int, status: str
) -> None:
    mail = ToldGateway(key_window=window, answers=in_turn(Ambiguous("reset"), Accepted()))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(template=template))
        await shop.work(mail)
        shop.clock.move(timedelta(minutes=10))
        await shop.work(mail)
        assert (len(mail.handed), (await shop.status("m1"))[0]) == (tries, status)
        assert (await delivery_of(shop))["possible_duplicate"] is (template == "notice")
        if status == "unknown":
            assert fates(shop) == [Fate.UNKNOWN]


async def test_a_blind_repeat_happens_once(url: str) -> None:
    mail = ToldGateway(answers=lambda _one: Ambiguous("timeout"))
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(template="notice"))
        for _ in range(4):
            await shop.work(mail)
            shop.clock.move(timedelta(minutes=10))
        assert (len(mail.handed), await shop.status("m1")) == (2, ("unknown", "ambiguous"))


async def test_a_gateway_that_raises_leaves_nothing_without_a_record(url: str) -> None:
    def broken(_one: Claimed) -> Outcome:
        raise ZeroDivisionError("a bug")

    mail = ToldGateway(answers=broken)
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message())
        await shop.work(mail)
        assert await shop.status("m1") == ("unknown", "ambiguous")


async def test_higher_priority_takes_the_slot_also_from_another_queue(url: str) -> None:
    one_a_day = {"caps": [{"cap": "daily", "at_most": 1, "per": "day", "over": "drop"}]}
    mail, sms = ToldGateway(), ToldGateway("sms-gate", "sms")
    async with shop_of(url, caps=one_a_day) as shop:
        await shop.hear(some_facts(), a_message("low", priority=10), a_message("high", priority=90, by=("sms",)))
        await shop.work(mail, sms)
        assert await shop.status("low") == ("held", "outranked")
        shop.clock.move(timedelta(seconds=2))
        await shop.work(mail, sms)
        assert await shop.status("high") == ("sent", "accepted")
        assert await shop.status("low") == ("dropped", "capped")
        assert mail.handed == []


async def test_a_slot_comes_back_only_when_surely_nothing_was_sent(url: str) -> None:
    one_a_day = {"caps": [{"cap": "daily", "at_most": 1, "per": "day", "over": "drop"}]}
    mail = ToldGateway(answers=in_turn(Rejected("554"), Ambiguous("reset"), Accepted()))
    async with shop_of(url, caps=one_a_day) as shop:
        await shop.hear(some_facts(), a_message("m1"))
        await shop.work(mail)
        await shop.hear(a_message("m2"))
        await shop.work(mail)
        await shop.hear(a_message("m3"))
        await shop.work(mail)
        statuses = [await shop.status(id) for id in ("m1", "m2", "m3")]
        assert statuses == [("failed", "rejected_permanently"), ("unknown", "ambiguous"), ("dropped", "capped")]


async def test_a_kill_switch_between_claim_and_call_stops_the_call(url: str) -> None:
    """Caught: the last look left out because nothing was committed since the claim, while a transaction was open."""
    mail = ToldGateway()
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message())
        desk = shop.desk(mail)
        await desk.step()  # claimed; the call is a task that has not begun
        await in_transaction(shop.db, lambda conn: switches.turn(shop.db, conn, WORKSPACE, "all", "test", on=True))
        await desk.drain()
        await shop.work(mail)
        assert mail.handed == []
        assert await shop.status("m1") == ("held", "kill_switch")


async def test_case_55_what_a_dead_worker_left_is_found_when_its_lease_ends(url: str) -> None:
    """Caught: ended leases not looked for; an advert repeated."""
    for template, tries in (("advert", 0), ("notice", 1)):
        mail, id = ToldGateway(), f"m-{template}"
        async with shop_of(url) as shop:
            await shop.hear(some_facts(), a_message(id, template=template, at=shop.clock()))
            desk = shop.desk(mail)
            await desk.step()
            for call in list(desk._calls):
                call.cancel()
            await desk.drain()
            assert (await shop.status(id))[0] == "claimed"
            shop.clock.move(timedelta(minutes=1))
            await shop.work(mail)
            shop.clock.move(timedelta(minutes=2))
            await shop.work(mail)
            assert len(mail.handed) == tries
            assert (await shop.status(id))[0] == ("sent" if tries else "unknown")


async def test_what_a_dead_worker_left_is_repeated_at_once_unless_it_seems_to_end_workers(url: str) -> None:
    """faults D56, P4: whose worker was killed twice waited 5 minutes. Caught: the schedule asked for a worker's end."""
    mail = ToldGateway(key_window=DAY)
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(template="notice"))
        for ends in range(WORKERS_ENDED + 1):
            desk = shop.desk(mail)
            if ends:
                await desk.step()  # finds what was left
            await desk.step()
            assert desk._calls
            assert (await delivery_of(shop))["counted_attempts"] == 0, f"{ends} ends"
            for call in list(desk._calls):
                call.cancel()
            await desk.drain()
            shop.desks.clear()
            shop.clock.move(timedelta(minutes=1))
        for _ in range(2):
            await shop.desk(mail).step()
        assert (await delivery_of(shop))["counted_attempts"] == 1
        assert not shop.desk(mail)._calls, "this one waits for its schedule"
        assert mail.handed == []


async def test_case_60_a_worker_that_wakes_after_its_lease_does_not_call(url: str) -> None:
    """Caught: a last look that does not ask for the lease."""
    slept, other = ToldGateway(), ToldGateway()
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(template="notice"))
        desk = shop.desk(slept)
        await desk.step()
        shop.clock.move(timedelta(minutes=5))
        await desk.drain()
        assert slept.handed == []
        shop.desks.clear()
        await shop.work(other)
        shop.clock.move(timedelta(minutes=5))
        await shop.work(other)
        assert len(other.handed) == 1


async def test_no_call_starts_that_its_lease_would_not_outlive(url: str) -> None:
    """faults D60. The lease is 20 s here, a call is left alone after 12: at 9 s it goes back to the rules.

    Caught: a last look that asks only whether the lease has ended.
    """
    mail = ToldGateway()
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(template="notice"))
        desk = shop.desk(mail)
        await desk.step()
        shop.clock.move(timedelta(seconds=9))
        await desk.drain()
        assert mail.handed == []
        assert (await shop.status("m1"))[0] == "held"
        await shop.work(mail)
        assert [one.possible_duplicate for one in mail.handed] == [False]


async def test_answers_that_come_together_are_recorded_together(url: str) -> None:
    """A claim, a record and the looks around them: not a commit for each of twenty calls."""
    mail = ToldGateway(batch=1, concurrency=20)
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), *(a_message(f"m{n}", template="notice") for n in range(20)))
        before = shop.db.commits
        await shop.work(mail)
        assert len(mail.handed) == 20
        assert shop.db.commits - before <= 6


async def test_a_cancelled_message_is_dropped_unless_it_was_claimed(url: str) -> None:
    mail = ToldGateway()
    no = {"workspace": WORKSPACE, "profile": "p1", "key": "default/u1", "reason": "exit_event", "at": NOON}
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message(), Cancel(id="m1", **no))  # type: ignore[arg-type]
        await shop.work(mail)
        assert await shop.status("m1") == ("cancelled", "cancelled")
        await shop.hear(a_message("m2"))
        await shop.work(mail)
        await shop.hear(Cancel(id="m2", **no))  # type: ignore[arg-type]
        assert await shop.status("m2") == ("sent", "accepted")
        assert ("dropped", "cancelled") in told(shop)


async def test_two_people_who_are_one_share_caps_and_refusals(url: str) -> None:
    one_a_day = {"caps": [{"cap": "daily", "at_most": 1, "per": "day", "over": "drop"}]}
    mail = ToldGateway()
    async with shop_of(url, caps=one_a_day) as shop:
        await shop.hear(some_facts("p1"), some_facts("p2"), a_message("m1", profile="p1"))
        await shop.work(mail)
        await shop.hear(some_facts("p1", version=2, merged_into="p2"))
        await shop.hear(a_message("m2", profile="p2"), a_message("m3", profile="p1"))
        await shop.work(mail)
        assert [await shop.status(id) for id in ("m2", "m3")] == [("dropped", "capped")] * 2


async def test_case_52_an_erased_person_is_forgotten_and_gets_nothing_more(url: str) -> None:
    """Caught: erasure not among the rules; words and addresses that stay."""
    mail = ToldGateway()
    async with shop_of(url) as shop:
        await shop.hear(some_facts(), a_message("m1", values={"profile": {"name": "Kim"}}))
        await shop.work(mail)
        await shop.hear(a_message("m2", expires_at=NOON + 3 * DAY))
        await shop.hear(some_facts(version=2, erased=True), some_facts(version=3), a_message("m3"))
        await shop.work(mail)
        assert len(mail.handed) == 1
        assert [(await shop.status(id))[1] for id in ("m2", "m3")] == ["erased", "erased"]
        seen = str([await shop.see("m1"), await shop.see("m2")])
        assert "Kim" not in seen and "example.test" not in seen


async def test_case_84_a_late_consent_older_than_a_refusal_opens_nothing(url: str) -> None:
    """Caught: the statement heard last wins, not the newest; a drop told to nobody."""
    mail = ToldGateway()
    async with shop_of(url) as shop:
        refusal, older = a_consent(False, at=NOON - timedelta(hours=1)), a_consent(at=NOON - timedelta(hours=2))
        await shop.hear(some_facts(consents=(refusal,)), some_facts(version=2, consents=(older,)), a_message())
        await shop.work(mail)
        assert await shop.status("m1") == ("dropped", "withdrawn")
        assert told(shop) == [("dropped", "withdrawn")]
