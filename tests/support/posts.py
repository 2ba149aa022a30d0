"""Builders of what clients post, with defaults."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dangol.events import Event, Kind, Origin
from dangol_ingest import segment
from dangol_ingest.believe import believe
from dangol_ingest.model import Arrival, Believed, Reject

RECEIVED = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def arrival(**changes: Any) -> Arrival:
    """What is known of a request beside its body."""
    known: dict[str, Any] = {
        "workspace": "default",
        "origin": Origin.SERVER,
        "key_id": "k1",
        "received_at": RECEIVED,
        "seed": "request-1",
        "ahead": timedelta(0),
    }
    return Arrival(**known | changes)


def call(**changes: Any) -> dict[str, Any]:
    """A good track call, as a client writes it."""
    return {"type": "track", "userId": "u1", "event": "Signed Up", "messageId": "m1"} | changes


def posted(*calls: Any, **envelope: Any) -> bytes:
    """The body of a batch."""
    return msgspec.json.encode({"batch": list(calls)} | envelope)


def believed(body: bytes, **known: Any) -> Believed:
    """What becomes of a batch's body."""
    return believe(segment.many(body), arrival(**known))


def event_of(**changes: Any) -> Event:
    """The one event a call becomes."""
    found = believed(posted(call(**changes)))
    assert not found.rejects, found.rejects
    return found.events[0]


def reject_of(**changes: Any) -> Reject:
    """The one reject a call becomes."""
    found = believed(posted(call(**changes)))
    assert not found.events, found.events
    return found.rejects[0]


def single(kind: Kind, body: dict[str, Any], **known: Any) -> Believed:
    """What becomes of a single call."""
    return believe(segment.one(msgspec.json.encode(body), kind), arrival(**known))
