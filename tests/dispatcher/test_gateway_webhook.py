"""Webhooks as Standard Webhooks wants them, verified by its official library."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from dangol_dispatcher.egress import Egress
from dangol_dispatcher.gateway_webhook import WebhookGateway, retry_after, signed, signer
from dangol_dispatcher.model import Accepted, Ambiguous, Content, Later, Outcome, Rejected
from dangol_dispatcher.targets import Targets
from tests.support.claims import a_claim, a_hook
from tests.support.listening import Peer, peer, reply

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def gateway(url: str, *secrets: str, channel: str = "webhook") -> WebhookGateway:
    return WebhookGateway("hook", channel, url, Egress(Targets(loopback=True)), secrets=secrets)


async def answered(status: str, body: bytes = b"", **headers: str) -> Outcome:
    async with peer(reply(status, body, **headers)) as receiver:
        hook = gateway(receiver.url)
        (outcome,) = await hook.send_many([a_claim(a_hook())])
        await hook.close()
    return outcome


def verified(receiver: Peer, secret: str) -> object:
    return Webhook(secret).verify(receiver.bodies[-1], receiver.heads[-1])


def test_the_specs_own_vector() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [signer(OLD)])
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_is_signed_is_what_is_sent() -> None:
    body = '{"이름":"민지","n":1.50}'.encode()
    async with peer(reply("200 OK")) as receiver:
        hook = gateway(receiver.url, NEW)
        (outcome,) = await hook.send_many([a_claim(a_hook(body))])
        await hook.close()
        assert isinstance(outcome, Accepted)
        assert receiver.bodies == [body]
        assert verified(receiver, NEW) == {"이름": "민지", "n": 1.5}


async def test_the_id_and_the_bytes_are_the_same_in_every_try() -> None:
    async with peer(reply("503 Later"), reply("200 OK")) as receiver:
        hook = gateway(receiver.url, NEW)
        for attempt in (1, 2):
            await hook.send_many([a_claim(a_hook(), attempt=attempt)])
        await hook.close()
        assert receiver.bodies[0] == receiver.bodies[1]
        assert receiver.heads[0]["webhook-id"] == receiver.heads[1]["webhook-id"] == a_claim(a_hook()).delivery


async def test_while_a_secret_is_changed_either_verifies() -> None:
    async with peer(reply("200 OK")) as receiver:
        hook = gateway(receiver.url, NEW, OLD)
        await hook.send_many([a_claim(a_hook())])
        await hook.close()
        assert verified(receiver, NEW) == verified(receiver, OLD) == {"user": "u1"}
        with pytest.raises(WebhookVerificationError):
            verified(receiver, "whsec_" + "AAAA" * 8)


async def test_any_text_can_be_a_secret() -> None:
    async with peer(reply("200 OK")) as receiver:
        hook = gateway(receiver.url, "not base64: !")
        await hook.send_many([a_claim(a_hook())])
        await hook.close()
        assert Webhook(b"not base64: !").verify(receiver.bodies[0], receiver.heads[0]) == {"user": "u1"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Accepted) for status in ("200 OK", "202 Accepted", "204 No Content")),
        *((status, Later) for status in ("301 Moved", "404 Not Found", "408 Timeout", "429 Slow", "503 Busy")),
        *((status, Rejected) for status in ("400 Bad", "422 Bad", "410 Gone", "401 No", "403 No")),
        *((status, Ambiguous) for status in ("500 Error", "502 Bad Gateway", "504 Timeout")),
    ],
)
async def test_each_status_means_one_thing(status: str, expected: type[Outcome]) -> None:
    body = b"" if status.startswith("204") else b"<html>\x1b[31mno"
    assert isinstance(await answered(status, body), expected)


async def test_gone_is_gone_and_refused_keys_are_ours() -> None:
    assert await answered("410 Gone") == Rejected("410", suppress=True)
    assert await answered("401 No") == Rejected("401", credentials=True)


async def test_retry_after_is_taken_from_the_answer() -> None:
    assert await answered("429 Slow", Retry_After="120") == Later("429", timedelta(seconds=120), throttled=True)


def test_retry_after_in_seconds_or_as_a_date_and_at_most_a_day() -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    assert retry_after("120", now) == timedelta(seconds=120)
    assert retry_after(format_datetime(now + timedelta(minutes=5), usegmt=True), now) == timedelta(minutes=5)
    assert retry_after("9999999999", now) == timedelta(hours=24)
    assert retry_after(format_datetime(now - timedelta(days=1), usegmt=True), now) == timedelta(0)
    for nothing in (None, "", "soon", "-5", "1e9"):
        assert retry_after(nothing, now) is None


async def test_no_answer_is_ambiguous_and_no_connection_is_not() -> None:
    async def reset(writer: object) -> None:
        """Hangs up without a word."""

    async with peer(reset) as receiver:
        hook = gateway(receiver.url)
        (outcome,) = await hook.send_many([a_claim(a_hook())])
        assert isinstance(outcome, Ambiguous)
    (outcome,) = await hook.send_many([a_claim(a_hook())])
    assert isinstance(outcome, Later)
    await hook.close()


async def test_a_private_target_is_refused_for_good() -> None:
    async with peer(reply("200 OK")) as silent:
        hook = WebhookGateway("hook", "webhook", silent.url, Egress(Targets()))
        (outcome,) = await hook.send_many([a_claim(a_hook())])
        await hook.close()
        assert isinstance(outcome, Rejected)
        assert silent.connections == 0


async def test_other_channels_go_as_their_parts() -> None:
    async with peer(reply("200 OK")) as receiver:
        texts = gateway(receiver.url, channel="sms")
        chat = gateway(receiver.url, channel="slack")
        await texts.send_many([a_claim(Content("sms", "+821012345678", {"text": "안녕"}))])
        await chat.send_many([a_claim(Content("slack", "#vip", {"text": "안녕"}))])
        await texts.close()
        await chat.close()
        told, posted = (json.loads(body) for body in receiver.bodies)
    assert (told["type"], told["to"], told["parts"]) == ("message.sms", "+821012345678", {"text": "안녕"})
    assert posted == {"text": "안녕", "channel": "#vip"}


async def test_a_provider_that_is_gone_is_no_persons_fault() -> None:
    """A 410 switches off a webhook; of a provider of texts it pauses the gateway, and suppresses no phone number."""
    async with peer(reply("410 Gone")) as receiver:
        texts = gateway(receiver.url, channel="sms")
        (outcome,) = await texts.send_many([a_claim(Content("sms", "+821012345678", {"text": "안녕"}))])
        await texts.close()
    assert outcome == Rejected("410", credentials=True)
