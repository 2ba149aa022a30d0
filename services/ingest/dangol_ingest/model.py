"""The nouns of ingest: what was posted, a call as clients write it, and what we believed or rejected of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dangol.errors import Invalid
from dangol.events import Kind, Origin
from dangol.stream import Outgoing

MAX_BODY = 512 * 1024  # bytes of one request, as sent and after unpacking; official clients stop at 475–500 KB
MAX_EVENT = 32 * 1024  # bytes of one event, the limit the official clients keep
MAX_ITEMS = 2_500  # of one request
MAX_DEPTH = 32  # levels of objects and lists in one event
MAX_ID = 256  # bytes in UTF-8 of an id or a name
MAX_CORRECTION = timedelta(hours=48)  # a client's clock that is off by more is not corrected: see `times`


class Call(msgspec.Struct, rename="camel", kw_only=True, gc=False):  # JSON has no cycles to collect
    """One item as clients of the Segment API write it; ids and moments may be of any JSON type until believed."""

    type: Any = None
    event: Any = None
    name: Any = None
    category: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None
    message_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    backfill: bool | None = None
    historical: bool | None = None
    write_key: Any = None
    api_key: Any = msgspec.field(default=None, name="api_key")


@dataclass(frozen=True, slots=True)
class Reject:
    """An item we do not believe: why, where in it, and how to mend it. `index` is its place in the request."""

    index: int
    code: str
    message: str
    where: str = ""
    hint: str = ""
    status: int = 400
    unreadable: bool = False  # its text is at fault, not what it says
    id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    item: str = ""  # how it began


@dataclass(frozen=True, slots=True)
class Posted:
    """One request, opened: its items in order, and what it said for all of them."""

    items: tuple[Call | Reject, ...]
    kind: Kind | None = None  # what the route says; else each item does
    context: dict[str, Any] = field(default_factory=dict)
    integrations: dict[str, Any] = field(default_factory=dict)
    sent_at: Any = None
    key: str | None = None
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """What we know of a request beside its body.

    `seed` names items that bring no id of their own. `ahead` is how far our clock has been moved
    before the clients' (zero but in `dangol up`).
    """

    workspace: str
    origin: Origin
    key_id: str
    received_at: datetime
    seed: str
    ahead: timedelta = timedelta(0)
    sent_at: Any = None  # from a header


@dataclass(frozen=True, slots=True)
class Believed:
    """What came of a request's items, each in the order they came; the events as records of their topic."""

    events: tuple[Outgoing, ...]
    rejects: tuple[Reject, ...]


class Unreadable(Invalid):
    """Text that is no good JSON: nothing can be told of what it says."""


def rejected(index: int, error: Invalid, **known: Any) -> Reject:
    """The reject that an `Invalid` makes of an item."""
    return Reject(
        index=index,
        code=error.code,
        message=error.message,
        where=error.where,
        hint=error.hint,
        status=error.status,
        unreadable=isinstance(error, Unreadable),
        **known,
    )
