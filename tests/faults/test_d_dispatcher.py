"""Cases of dispatcher and gateways, on SQLite and on PostgreSQL: what a gateway does, and what becomes of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dangol.clock import MovingClock
from dangol.definitions import publish
from dangol.events import Fate
from dangol_dispatcher.egress import Egress
from dangol_dispatcher.gateway_webhook import WebhookGateway
from dangol_dispatcher.main import open_service
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Later, Outcome, Rejected
from dangol_dispatcher.targets import Targets
from tests.support.claims import a_claim, a_hook
from tests.support.crowds import DyingGateway, crowd, open_shops
from tests.support.dispatching import WORKSPACE, Shop, ToldGateway, documents, fates, in_turn, some_facts
from tests.support.house import app_of, client_of, open_house
from tests.support.listening import Answering, peer, reply
from tests.support.sides import let_pass, now_asked, open_side
from tests.support.smtp_script import scripted_server
from tests.support.workshops import rows

LEASE, MINUTES = timedelta(minutes=2), timedelta(minutes=10)


@pytest.fixture
async def shop(migrated_url: str) -> AsyncIterator[Shop]:
    async with open_side(migrated_url, documents()) as shop:
        yield shop


def hook(url: str, channel: str = "sms") -> WebhookGateway:
    return WebhookGateway(f"{channel}-gate", channel, url, Egress(Targets(loopback=True)))


async def attempts(shop: Shop) -> list[int]:
    return [row[0] for row in await rows(shop.db, "SELECT counted_attempts FROM delivery ORDER BY id")]


@pytest.mark.parametrize(("window", "times", "status"), [(None, 1, "unknown"), (timedelta(hours=1), 2, "sent")])
async def test_case_55_case_56_a_worker_dies_after_the_gateway_took_it(
    shop: Shop, window: timedelta | None, times: int, status: str
) -> None:
    """Without a key it is never repeated and stands as unknown; with one, repeated under the same: one effect.

    Caught: an advert that is repeated without a key.
    """
    mail = DyingGateway(key_window=window, dies=1.0, fate=Random(1))
    await shop.hear(some_facts(), now_asked(shop))
    await shop.work(mail)
    assert (await shop.status("m1"))[0] == "claimed"
    mail.dies = 0.0
    for span in (LEASE, MINUTES):
        await let_pass(shop, span)
        await shop.work(mail)
    assert len(mail.handed) == times
    assert len({(one.delivery, one.content.raw) for one in mail.handed}) == 1
    assert (await shop.status("m1"))[0] == status


async def test_case_58_an_error_after_the_deed_is_no_failure(shop: Shop) -> None:
    """The receiver has it and says 500: the same id and bytes again, and a receiver that honours ids has it once.

    Caught: 500 read as a refusal.
    """
    async with peer(reply("500 Oops"), reply("200 OK")) as receiver:
        texts = hook(receiver.url)
        await shop.hear(some_facts(), now_asked(shop, by=("sms",)))
        await shop.work(texts)
        assert await shop.status("m1") == ("retrying", "ambiguous")
        await let_pass(shop, MINUTES)
        await shop.work(texts)
        await texts.close()
        assert await shop.status("m1") == ("sent", "accepted")
        assert len(receiver.bodies) == 2
        assert len({head["webhook-id"] for head in receiver.heads}) == len(set(receiver.bodies)) == 1


async def test_case_58_without_a_key_it_stays_unknown_and_is_not_repeated(shop: Shop) -> None:
    """Caught: an advert repeated without a key."""
    mail = ToldGateway(answers=lambda _one: Ambiguous("500"))
    await shop.hear(some_facts(), now_asked(shop))
    await shop.work(mail)
    await let_pass(shop, MINUTES)
    await shop.work(mail)
    assert (len(mail.handed), await shop.status("m1"), fates(shop)) == (1, ("unknown", "ambiguous"), [Fate.UNKNOWN])


NOWHERE = ["http://127.0.0.1:{closed}/in", "http://nobody.invalid/in", "https://127.0.0.1:{plain}/"]


@pytest.mark.parametrize("url", NOWHERE)
async def test_case_59_no_connection_no_name_and_no_tls_are_surely_not_sent(url: str) -> None:
    """Caught: no connection taken for ambiguous; only a name that is not found taken for not sent."""
    async with peer() as closed:
        pass
    async with scripted_server() as plain:
        gateway = hook(url.format(closed=closed.port, plain=plain.port), "webhook")
        (outcome,) = await gateway.send_many([a_claim(a_hook())])
        await gateway.close()
        assert isinstance(outcome, Later)


async def test_case_59_what_was_surely_not_sent_is_sent_once_later(shop: Shop) -> None:
    """Caught: `Later` recorded as unknown."""
    mail = ToldGateway(answers=in_turn(Later("not connected"), Accepted()))
    await shop.hear(some_facts(), now_asked(shop))
    await shop.work(mail)
    await let_pass(shop, MINUTES)
    await shop.work(mail)
    assert (len(mail.handed), await shop.status("m1")) == (2, ("sent", "accepted"))


async def test_case_61_leases_outlive_a_restart_of_the_database(migrated_url: str) -> None:
    """Every connection ends and all are opened anew: nothing is claimed before its lease ends, then each once.

    Caught: whatever is claimed taken for left behind.
    """
    mail, count = DyingGateway(batch=5), 20
    async with open_shops(migrated_url, documents()) as shops:
        asked = [now_asked(shops[0], f"m{n}", template="notice") for n in range(count)]
        await shops[0].hear(some_facts(), *asked)
        await crowd(shops, [mail], 4, Random(1), dies=1.0)  # all claimed, none handed over
    assert mail.handed == []
    async with open_shops(migrated_url, documents()) as shops:
        await crowd(shops, [mail], 8)
        assert mail.handed == []
        for _ in range(3):
            await let_pass(shops[0], LEASE)
            await crowd(shops, [mail], 8)
    assert Counter(one.message for one in mail.handed) == {f"m{n}": 1 for n in range(count)}


async def test_case_63_a_gateway_waits_as_long_as_it_was_asked_and_others_go_on(shop: Shop) -> None:
    """Caught: a wait of the message alone (m3 was tried at once)."""
    async with peer(reply("429 Slow", Retry_After="120"), reply("200 OK")) as receiver:
        texts, mail = hook(receiver.url), ToldGateway()
        await shop.hear(some_facts(), now_asked(shop, by=("sms",)), now_asked(shop, "m2"))
        await shop.work(texts, mail)
        await shop.hear(now_asked(shop, "m3", by=("sms",)))
        await let_pass(shop, timedelta(seconds=100))
        await shop.work(texts, mail)
        assert (len(receiver.bodies), (await shop.status("m2"))[0]) == (1, "sent")
        await let_pass(shop, timedelta(seconds=21))
        await shop.work(texts)
        await texts.close()
        assert [(await shop.status(id))[0] for id in ("m1", "m3")] == ["sent", "sent"]
        assert await attempts(shop) == [1, 1, 1]


@dataclass
class HangingGateway(ToldGateway):
    """Takes calls and never answers them. A call is given up 0.5 s after it began."""

    deadline: timedelta = timedelta(seconds=-4.5)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Nothing is ever answered."""
        self.handed += claimed
        await self.over.wait()
        return []


async def test_case_65_a_gateway_that_never_answers_holds_up_only_itself(shop: Shop) -> None:
    """No more calls are out than it has connections; each is given up and unknown; the other gateway sends all.

    Caught: calls that are out not counted; a call without a deadline.
    """
    hanging = HangingGateway("sms-gate", "sms", batch=1, concurrency=2)
    mail, each = ToldGateway(), 8
    texts = [now_asked(shop, f"s{n}", by=("sms",)) for n in range(each)]
    await shop.hear(some_facts(), *texts, *(now_asked(shop, f"m{n}") for n in range(each)))
    await shop.desk(hanging).step()
    await shop.desk(hanging).step()
    await asyncio.sleep(0)
    await shop.work(mail)
    assert len(mail.handed) == each
    assert len(hanging.handed) <= 2
    await shop.desk(hanging).drain()
    assert [(await shop.status(one.message))[0] for one in hanging.handed] == ["unknown"] * 2


HUGE = b"x" * 300_000
SAID = [
    reply("200 OK", b'{"error": "quota"}', Content_Type="application/json"),
    reply("200 OK", b"<html>\x1b[31m\x00" + HUGE, Content_Type="text/html"),
    reply("200 OK", b"\xff\xfe\x00nonsense", Content_Type="application/x-nothing"),
]


@pytest.mark.parametrize("said", SAID)
async def test_case_66_a_200_is_taken_whatever_it_says_and_little_of_it_is_kept(said: Answering) -> None:
    """The status alone decides, as Standard Webhooks has it; what is kept can be shown anywhere.

    Caught: an `error` read out of a body; a body kept as it came.
    """
    async with peer(said) as receiver:
        gateway = hook(receiver.url, "webhook")
        (outcome,) = await gateway.send_many([a_claim(a_hook())])
        await gateway.close()
    assert isinstance(outcome, Accepted)
    assert len(outcome.said) <= 210 and outcome.said.isprintable()


async def test_case_66_what_is_no_http_is_ambiguous() -> None:
    """Caught: what is no HTTP taken for not sent."""

    async def nonsense(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()

    async with peer(nonsense) as receiver:
        gateway = hook(receiver.url, "webhook")
        (outcome,) = await gateway.send_many([a_claim(a_hook())])
        await gateway.close()
    assert isinstance(outcome, Ambiguous)


@pytest.mark.parametrize("key", ["", "forged"])
async def test_case_69_a_receipt_without_our_key_is_refused(tmp_path: Path, key: str) -> None:
    """Caught: the route without its key."""
    receipt = [{"message": "m1", "kind": "bounced", "event_id": "1"}]
    async with open_house(tmp_path, MovingClock()) as house, open_service(house) as dispatcher:
        await publish(house.db, WORKSPACE, documents(), by="test")
        async with client_of(app_of(house, dispatcher.router), key) as http:
            assert (await http.post("/api/receipts", json=receipt)).status_code == 401
        assert await rows(house.db, "SELECT count(*) FROM receipt") == [(0,)]


async def test_case_70_of_a_batch_only_what_failed_is_repeated(shop: Shop) -> None:
    """Caught: the answers of a batch taken for one answer."""
    failing = {"m3", "m50", "m99"}
    mail = ToldGateway(answers=lambda one: Later("busy") if one.message in failing else Accepted())
    await shop.hear(some_facts(), *(now_asked(shop, f"m{n}") for n in range(100)))
    await shop.work(mail)
    assert len(mail.handed) == 100
    failing.clear()
    await let_pass(shop, MINUTES)
    await shop.work(mail)
    assert {one.message: one.attempt for one in mail.handed[100:]} == {"m3": 2, "m50": 2, "m99": 2}
    assert await rows(shop.db, "SELECT status, count(*) FROM message GROUP BY status") == [("sent", 100)]


@pytest.mark.parametrize(
    ("first", "texts", "said"), [(Rejected("no"), 1, Fate.SENT), (Ambiguous("?"), 0, Fate.UNKNOWN)]
)
async def test_case_71_a_fallback_goes_only_where_the_first_was_surely_refused(
    shop: Shop, first: Outcome, texts: int, said: Fate
) -> None:
    """So nobody gets both, and what became of it is told once.

    Caught: a fallback after an answer nobody got.
    """
    mail, sms = ToldGateway(answers=lambda _one: first), ToldGateway("sms-gate", "sms")
    await shop.hear(some_facts(), now_asked(shop, by=("email", "sms")))
    await shop.work(mail, sms)
    await let_pass(shop, MINUTES)
    await shop.work(mail, sms)
    assert (len(mail.handed), len(sms.handed), fates(shop)) == (1, texts, [said])


async def test_case_72_refused_credentials_pause_one_gateway_and_fail_nothing(shop: Shop) -> None:
    """Caught: a refusal of our credentials taken for one of the message."""
    mail = ToldGateway(answers=lambda _one: Rejected("535 auth", credentials=True), batch=1, concurrency=1)
    sms = ToldGateway("sms-gate", "sms")
    asked = [now_asked(shop, f"m{n}", template="notice") for n in range(5)]
    await shop.hear(some_facts(), *asked, now_asked(shop, "s1", by=("sms",)))
    await shop.work(mail, sms)
    await let_pass(shop, timedelta(hours=2))
    await shop.work(mail, sms)
    assert (len(mail.handed), len(sms.handed)) == (1, 1)
    found = await rows(shop.db, "SELECT status, count(*) FROM message WHERE gateway = 'email-gate' GROUP BY status")
    assert sorted(found) == [("asked", 4), ("retrying", 1)]
    assert fates(shop) == [Fate.SENT]


async def test_case_74_what_is_worthless_by_now_is_never_sent(shop: Shop) -> None:
    """Whether it waited untried at a resting gateway or to be tried again.

    Caught: an expiry that is looked at when the message is asked only.
    """
    mail = ToldGateway(answers=lambda _one: Later("429", timedelta(hours=3), throttled=True), batch=1, concurrency=1)
    ends: dict[str, Any] = {"expires_at": shop.clock() + timedelta(hours=1)}
    await shop.hear(some_facts(), *(now_asked(shop, f"m{n}", template="notice", **ends) for n in range(3)))
    await shop.work(mail)
    assert len(mail.handed) == 1
    mail.answers = lambda _one: Accepted()
    for hours in (2, 2):
        await let_pass(shop, timedelta(hours=hours))
        await shop.work(mail)
    assert len(mail.handed) == 1
    assert await rows(shop.db, "SELECT status, count(*) FROM message GROUP BY status") == [("expired", 3)]


async def test_case_74_what_becomes_worthless_between_claim_and_call_is_not_called(shop: Shop) -> None:
    """Caught: no expiry among the rules."""
    mail = ToldGateway()
    await shop.hear(some_facts(), now_asked(shop, expires_at=shop.clock() + timedelta(seconds=3)))
    await shop.desk(mail).step()
    await let_pass(shop, timedelta(seconds=4))
    await shop.desk(mail).drain()
    await shop.work(mail)
    assert (mail.handed, (await shop.status("m1"))[0]) == ([], "expired")
