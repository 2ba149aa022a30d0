"""What a person did, as ingest believed it: the payload of the topic `events`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Kind(StrEnum):
    """The Segment call an event came by; a CloudEvent or an imported row is a `track`."""

    TRACK = "track"
    IDENTIFY = "identify"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


# The names under which calls other than `track` can be used in a journey.
CALL_NAMES = {
    Kind.IDENTIFY: "Identified",
    Kind.PAGE: "Page Viewed",
    Kind.SCREEN: "Screen Viewed",
    Kind.GROUP: "Grouped",
    Kind.ALIAS: "Aliased",
}


class Origin(StrEnum):
    """Who said it, hence how far it is trusted."""

    BROWSER = "browser"  # a public key: addresses and consent only for a profile first seen with that key
    SERVER = "server"  # a backend's write key: trusted
    SECRET = "secret"  # an operator's key, or an import: trusted, and may join two known people
    SERVICE = "service"  # our own: receipts, outcomes, entered and left


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a person did.

    `at` is the moment it happened, in UTC, corrected for the client's clock; the three moments it
    was worked out from are kept. `id` is the client's message id and `body_hash` the hash of what
    came with it, so that a repeat is known and an id used twice is found. Strings of ids and names
    are at most 256 bytes; properties, traits and context are JSON objects, nulls taken out.
    """

    workspace: str
    id: str
    kind: Kind = Kind.TRACK
    name: str
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    at: datetime
    original_at: datetime | None = None
    sent_at: datetime | None = None
    received_at: datetime
    origin: Origin = Origin.SERVER
    key_id: str = ""
    body_hash: str = ""
    backfill: bool = False  # updates what we know, never triggers
    hops: int = 0  # how many of our own emitted events led here
    v: int = 1


def person_key(workspace: str, user_id: str | None, anonymous_id: str | None) -> str:
    """The log's key of a person: order holds per key, and its partition is the person's home."""
    return f"{workspace}/{user_id or anonymous_id or ''}"


def key_of(event: Event) -> str:
    """The log key under which an event travels."""
    return person_key(event.workspace, event.user_id, event.anonymous_id)


class Fate(StrEnum):
    """Names of the events by which the dispatcher tells what became of a message.

    Their properties: `message_id`, `journey`, `enrolment`, `step`, `visit`, and where they apply
    `channel`, `gateway`, `reason`, `url`, `machine` (true for an open or click no person made).
    The first four end a send step; the others may follow.
    """

    SENT = "Message Sent"  # handed over to a gateway that accepted it
    DROPPED = "Message Dropped"  # a rule said no, on every channel
    FAILED = "Message Failed"  # given up: every channel and every retry failed
    EXPIRED = "Message Expired"  # worthless before it could leave
    UNKNOWN = "Message Unknown"  # perhaps handed over; never repeated; for a journey as if sent
    DELIVERED = "Message Delivered"
    OPENED = "Message Opened"
    CLICKED = "Message Clicked"
    BOUNCED = "Message Bounced"
    COMPLAINED = "Message Complained"


class ConsentEvent(StrEnum):
    """Events that state consent; properties {purpose, channels, night, wording, source}."""

    GIVEN = "Consent Given"
    WITHDRAWN = "Consent Withdrawn"
