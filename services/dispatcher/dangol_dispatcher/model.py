"""The nouns of dispatcher: a delivery as a chain of types, what the rules say, and the port to gateways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from dangol.messages import Message


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


# ── the rules' answer ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Go:
    """It may be sent on this channel, now."""

    channel: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now; ask again at `until`."""

    until: datetime
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drop:
    """Not at all."""

    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)


Answer = Go | Hold | Drop

# ── the chain: a step that did not happen cannot be recorded ──────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Content:
    """What is said on one channel, rendered: the very bytes that every retry repeats.

    `parts` by channel: email {subject, html, text, headers, from, to, reply_to} (`raw` the whole MIME message);
    sms/lms {text}; push {title, body, link}; alimtalk {code, text, buttons}; webhook {body}.
    """

    channel: str
    endpoint: str
    parts: Mapping[str, Any]
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Claimed:
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


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway took it. `provider_id` is its name for it."""

    provider_id: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The gateway will never take it. `suppress`: the endpoint is dead; `credentials`: ours are."""

    said: str
    suppress: bool = False
    credentials: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Surely not taken; may be tried again, not before `after`. `ours`: nothing left this machine (refused, DNS, TLS)."""

    said: str
    after: timedelta | None = None
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Perhaps taken: no answer, or one that may come after the deed."""

    said: str


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


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A message with the person it is for, as the rules and templates need them together."""

    message: Message
    category: str  # marketing | transactional
    tags: tuple[str, ...] = ()
