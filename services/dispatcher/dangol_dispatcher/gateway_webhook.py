"""Webhooks, signed as Standard Webhooks says: the same id in every retry, and the bytes signed are the bytes sent."""

import asyncio
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec
from standardwebhooks import Webhook

from dangol_dispatcher.egress import DEADLINE, Answer, Egress, NotSent, Unanswered
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Content, Later, Outcome, Rejected
from dangol_dispatcher.targets import Refused

LONGEST_WAIT = timedelta(hours=24)  # that a Retry-After may ask for
NEVER_TAKEN = frozenset({400, 409, 413, 414, 415, 422})  # the same bytes would be refused again
GONE = 410
NOT_YET = frozenset({404, 405, 408, 421, 425, 503})  # surely not taken, and perhaps later


class WebhookGateway:
    """POSTs each delivery to one URL. The receiver honours `webhook-id` as the key, as the standard asks of it."""

    key_window: timedelta | None = timedelta(hours=96)  # longer than the schedule of retries
    batch = 1
    deadline = DEADLINE + timedelta(seconds=5)

    def __init__(
        self,
        name: str,
        channel: str,
        url: str,
        egress: Egress,
        *,
        secrets: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        concurrency: int = 32,
    ) -> None:
        self.name, self.channel, self.concurrency = name, channel, concurrency
        self._url, self._egress, self._headers = url, egress, dict(headers or {})
        self._signers = [signer(secret) for secret in secrets]  # two while one is rotated: two signatures

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """One call each, side by side."""
        if len(claimed) == 1:  # as nearly always: without a task of its own
            return [await self._send(claimed[0])]
        return await asyncio.gather(*(self._send(one) for one in claimed))

    async def close(self) -> None:
        """Release the connections."""
        await self._egress.close()

    async def _send(self, one: Claimed) -> Outcome:
        body = body_of(one.content, one)
        headers = self._headers | {"content-type": "application/json", "user-agent": "dangol"}
        headers |= signed(one.delivery, datetime.now(UTC), body, self._signers)
        try:
            answer = await self._egress.post(self._url, body, headers)
        except Refused as error:
            return Rejected(f"not called: {error}")
        except NotSent as error:
            return Later(f"not connected: {error}")
        except Unanswered as error:
            return Ambiguous(f"unanswered: {error}")
        outcome = outcome_of(answer, datetime.now(UTC))
        if answer.status == GONE and self.channel != "webhook":
            return Rejected(
                outcome.said, credentials=True
            )  # the provider is gone, not the person: an operator must look
        return outcome


def signer(secret: str) -> Webhook:
    """The signer of a secret: `whsec_…` and base64 as the standard has them, any other text as its bytes."""
    try:
        return Webhook(secret)
    except (binascii.Error, ValueError):
        return Webhook(secret.encode())


def signed(key: str, at: datetime, body: bytes, signers: Sequence[Webhook]) -> dict[str, str]:
    """The headers; one signature a secret, separated by spaces. `at` is the wall clock's: receivers refuse another."""
    headers = {"webhook-id": key, "webhook-timestamp": str(int(at.timestamp()))}
    if signers:
        headers["webhook-signature"] = " ".join(one.sign(key, at, body.decode()) for one in signers)
    return headers


def body_of(content: Content, one: Claimed) -> bytes:
    """The bytes to send: a webhook's own JSON, what a chat takes, or any other channel's parts and where they go."""
    if content.raw and content.channel == "webhook":
        return content.raw
    if content.channel in ("slack", "teams"):
        return msgspec.json.encode({"text": content.parts.get("text", ""), **_target(content)})
    told = {
        "type": f"message.{content.channel}",
        "to": content.endpoint,
        "message_id": one.message,
        "delivery_id": one.delivery,
    }
    return msgspec.json.encode(told | {"parts": dict(content.parts)})


def _target(content: Content) -> dict[str, str]:
    return {"channel": content.endpoint} if content.channel == "slack" and content.endpoint.startswith("#") else {}


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """What an answer means. A 500 may come after the deed: ambiguous. A redirect is not followed: a failure."""
    said = f"{answer.status} {_readable(answer.body)}".strip()
    after = retry_after(answer.headers.get("retry-after"), now)
    match answer.status:
        case status if 200 <= status < 300:
            return Accepted(answer.headers.get("x-message-id", "")[:200], said)
        case status if status == GONE:
            return Rejected(said, suppress=True)
        case 401 | 403 | 407:
            return Rejected(said, credentials=True)
        case 429:
            return Later(said, after, throttled=True)
        case status if status in NOT_YET or 300 <= status < 400:
            return Later(said, after)
        case status if status in NEVER_TAKEN or 400 <= status < 500:
            return Rejected(said)
        case _:
            return Ambiguous(said)


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """The wait a Retry-After asks for, in seconds or as a date; at most a day, never less than nothing."""
    if not text:
        return None
    try:
        wait = timedelta(seconds=int(text)) if text.strip().isdigit() else parsedate_to_datetime(text) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return max(timedelta(0), min(wait, LONGEST_WAIT))


def _readable(body: bytes) -> str:
    """The first of an answer, fit for a log line."""
    return "".join(
        character if character.isprintable() else " " for character in body[:200].decode("utf-8", "replace")
    ).strip()
