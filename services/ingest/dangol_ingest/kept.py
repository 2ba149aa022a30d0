"""An event as the log keeps it: what its client said, written once and hashed, then how it came. PURE."""

from datetime import datetime
from hashlib import sha1
from typing import Any

import msgspec

from dangol.events import Kind, Origin, person_key
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_ingest.model import Arrival

EVENTS = Topic.EVENTS  # looked up once: see `believe`
_write = msgspec.json.Encoder(order="deterministic").encode


class Said(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):  # JSON has no cycles to collect
    """The fields of an `Event` that are its client's. A client's retry says the same, whenever it comes."""

    id: str
    kind: Kind = Kind.TRACK
    name: str
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    original_at: datetime | None = None


class Came(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The fields that all events of a request have alike."""

    workspace: str
    received_at: datetime
    origin: Origin = Origin.SERVER
    key_id: str = ""
    sent_at: datetime | None = None
    backfill: bool = False


def came(arrival: Arrival, sent: datetime | None, backfill: bool) -> bytes:
    """How a request came, as the end of each of its events."""
    ours = Came(
        workspace=arrival.workspace,
        received_at=arrival.received_at,
        origin=arrival.origin,
        key_id=arrival.key_id,
        sent_at=sent,
        backfill=backfill,
    )
    return b"," + _write(ours)[1:-1]


def kept(said: Said, at: datetime, workspace: str, came: bytes) -> Outgoing:
    """The record of one event, the JSON of an `Event`; `came` is of its request.

    Encoding what was said is most of what an event costs, so it is encoded once, and hashed as it is written, its
    objects' fields in their order.
    """
    text = _write(said)
    # 16 bytes: it tells a repeat from another event of the same id, and forging one would gain nobody anything
    body_hash = sha1(text, usedforsecurity=False).hexdigest()[:32].encode()
    value = b"".join((text[:-1], b',"at":', _write(at), came, b',"body_hash":"', body_hash, b'"}'))
    return Outgoing(EVENTS, person_key(workspace, said.user_id, said.anonymous_id), value, said.id)
