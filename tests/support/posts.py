"""Builders of what clients post, with defaults."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dangol.codec import decode_event
from dangol.events import Event, Kind, Origin
from dangol_ingest import segment
from dangol_ingest.believe import believe
from dangol_ingest.model import Arrival, Believed, Posted, Reject

RECEIVED = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Found:
    """What came of a request, its events read again as everybody after ingest reads them."""

    events: tuple[Event, ...]
    rejects: tuple[Reject, ...]


def found_in(believed: Believed) -> Found:
    """What readers of the log find of what was believed."""
    return Found(tuple(decode_event(event.value) for event in believed.events), believed.rejects)


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


def believed(body: bytes, **known: Any) -> Found:
    """What becomes of a batch's body; the same whichever way its items are read."""
    opened = segment.many(body)
    found = believe(opened, arrival(**known))
    assert found == believe(with_care(opened, body), arrival(**known))
    return found_in(found)


def with_care(opened: Posted, body: bytes) -> Posted:
    """The same batch, every item of it read with care; a batch that is no good JSON was already."""
    try:
        found = msgspec.json.decode(body)
        items = found if isinstance(found, list) else found["batch"]
        raw = msgspec.json.decode(body if items is found else _batch_of(body), type=list[msgspec.Raw])
    except ValueError:
        return opened
    return replace(opened, items=segment.read_items(raw, segment.read_with_care))


def _batch_of(body: bytes) -> msgspec.Raw:
    return msgspec.json.decode(body, type=dict[str, msgspec.Raw])["batch"]


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


def single(kind: Kind, body: dict[str, Any], **known: Any) -> Found:
    """What becomes of a single call."""
    return found_in(believe(segment.one(msgspec.json.encode(body), kind), arrival(**known)))
