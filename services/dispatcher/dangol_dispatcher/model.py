"""The nouns of dispatcher: a delivery as a chain of types, what the rules say, and the port to gateways."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from dangol.messages import Address, Message


class Mode(StrEnum):
    """What is done after an outcome nobody can know (timeout, reset, crash after the call)."""

    EFFECTIVELY_ONCE = "effectively_once"  # repeated with the same key while the gateway's window is open
    AT_MOST_ONCE = "at_most_once"  # never repeated; `unknown`, reconciled by a receipt; marketing's default
    AT_LEAST_ONCE = "at_least_once"  # repeated once, marked as a possible duplicate; transactional's default


class Status(StrEnum):
    """Where a message stands. Transitions are named functions in `ledger`."""

    ASKED = "asked"  # → held | claimed | dropped | expired | cancelled
    HELD = "held"  # → claimed | dropped | expired when due again
    CLAIMED = "claimed"  # a committed row says it is being tried → sent | retrying | failed | unknown
    RETRYING = "retrying"  # → claimed when due again
    SENT = "sent"  # handed over → delivered | bounced
    UNKNOWN = "unknown"  # perhaps handed over → sent when a receipt says so
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DROPPED = "dropped"  # a rule said no
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"  # given up: a dead letter, replayable


class Go(msgspec.Struct, frozen=True):
    """It may be sent on this channel, now."""

    channel: str
    endpoint: str


class Hold(msgspec.Struct, frozen=True):
    """Not now; ask again at `until`."""

    until: datetime
    reason: str
    details: Mapping[str, Any] = {}


class Drop(msgspec.Struct, frozen=True):
    """Not at all."""

    reason: str
    details: Mapping[str, Any] = {}


class Skip(msgspec.Struct, frozen=True):
    """Not on this channel; the next one may do."""

    reason: str
    details: Mapping[str, Any] = {}


Answer = Go | Hold | Drop


class Choice(msgspec.Struct, frozen=True):
    """What the rules say of a message over all its channels, and why channels were passed over on the way."""

    answer: Answer
    skipped: tuple[tuple[str, Skip], ...] = ()  # (channel, why), in the order of preference


class Recipient(msgspec.Struct, frozen=True):
    """A person as dispatcher knows them: the newest facts."""

    profile: str
    workspace: str
    key: str
    version: int = 0
    user_id: str | None = None
    anonymous_ids: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    zone: str | None = None
    locale: str | None = None
    traits: Mapping[str, Any] = {}
    merged_into: str | None = None
    erased: bool = False


class Consent(msgspec.Struct, frozen=True):
    """What was last stated for one purpose on one consent channel. `night`: may also be reached at night."""

    granted: bool
    night: bool
    at: datetime


class Spent(msgspec.Struct, frozen=True):
    """A message that took a slot of the caps: dated by its last attempt, its tags those of that time."""

    message: str
    at: datetime
    category: str
    channel: str
    journey: str
    tags: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """Everything the rules look at about one person at one moment."""

    recipient: Recipient | None  # None: no facts have come yet
    consents: Mapping[tuple[str, str], Consent] = {}  # (purpose, consent channel)
    suppressed: frozenset[tuple[str, str]] = frozenset()  # (consent channel, endpoint)
    recent: tuple[Spent, ...] = ()
    switches: frozenset[str] = frozenset()  # kill switches that are on: all, channel:sms, journey:x, …


class Content(msgspec.Struct, frozen=True):
    """What is said on one channel, rendered: the very bytes that every retry repeats.

    `parts` by channel: email {subject, html, text, headers, from, to, reply_to} (`raw` the whole MIME message);
    sms/lms {text}; push {title, body, link}; alimtalk {code, text, buttons}; webhook {body}.
    """

    channel: str
    endpoint: str
    parts: Mapping[str, Any]
    raw: bytes = b""


class Claimed(msgspec.Struct, frozen=True):
    """A delivery a committed row says is being tried: only this may be handed to a gateway."""

    delivery: str  # the idempotency key: uuid5(message, channel, endpoint)
    message: str
    workspace: str
    profile: str
    gateway: str
    content: Content
    attempt: int
    fence: int
    lease_until: datetime
    first_claimed_at: datetime
    mode: Mode
    possible_duplicate: bool = False  # a try before this one may have been taken, and the gateway has no key


class Accepted(msgspec.Struct, frozen=True):
    """The gateway took it. `provider_id` is its name for it."""

    provider_id: str = ""
    said: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """The gateway will never take it. `suppress`: the endpoint is dead; `credentials`: ours are."""

    said: str
    suppress: bool = False
    credentials: bool = False


class Later(msgspec.Struct, frozen=True):
    """Surely not taken; may be tried again, not before `after` (a connection refused, a 4xx of SMTP, a 429)."""

    said: str
    after: timedelta | None = None
    throttled: bool = False


class Ambiguous(msgspec.Struct, frozen=True):
    """Perhaps taken: no answer, or one that may come after the deed."""

    said: str
    worker_gone: bool = False  # nobody waited for an answer: it says nothing of the gateway


Outcome = Accepted | Rejected | Later | Ambiguous


class Gateway(Protocol):
    """A provider on a channel. One per configured gateway, with its own connections.

    `send_many` answers one outcome per claimed delivery, in order, within `deadline`; it never raises
    for a delivery (a raise is a bug, and makes all of them ambiguous) and never retries a send.
    """

    name: str
    channel: str
    key_window: timedelta | None  # how long the provider honours the idempotency key; None: it has none
    batch: int  # at most this many per call
    concurrency: int  # calls in flight
    deadline: timedelta

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Hand them over."""
        ...

    async def close(self) -> None:
        """Release the connections."""


class SendRequest(msgspec.Struct, frozen=True):
    """A message with what the dispatcher has learnt of it: all that the rules ask about one message."""

    message: Message
    category: str  # marketing | transactional
    asked_at: datetime
    expires_at: datetime
    tags: tuple[str, ...] = ()
    passed: Mapping[str, str] = {}  # channels given up → reason
    pinned: tuple[str, str] | None = None  # (channel, endpoint) of a delivery nobody knows the fate of
    counted: str = ""  # the channel on which it holds a slot already
    cancelled: str = ""  # why journey no longer wants it, said when it was too late to drop it at once
