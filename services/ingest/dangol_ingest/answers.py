"""What clients are told, in the shape every official one understands: 200 or an error, always JSON. PURE."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec

from dangol.errors import DangolError, Invalid, Unavailable, error_body
from dangol_ingest.model import Believed, Reject

MAX_AGE = "86400"  # seconds a browser may remember a preflight: Authorization makes it ask for every path
EXPOSED = "Retry-After"
ALL_WELL = b'{"success":true,"accepted":1,"rejected":[]}'


class TooMany(Unavailable):
    """Over the workspace's rate: the same request is welcome after `retry_after`."""

    status = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON body, and headers beside those of every answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def told(believed: Believed, single: bool) -> Answer:
    """What became of a request: 200 with counts, also where items were rejected.

    Except that a single call that was rejected, and a request of which nothing could even be read,
    are errors: there is nothing in them to accept.
    """
    if not believed.rejects and len(believed.events) == 1:
        return Answer(200, ALL_WELL)
    rejects = [reject_body(one, index=one.index, id=one.id) for one in believed.rejects]
    if believed.rejects and not believed.events and (single or any(one.unreadable for one in believed.rejects)):
        first = believed.rejects[0]
        where = {} if single else {"item": first.index}
        said = {"success": False, **rejects[0], **where, "accepted": 0, "rejected": rejects}
        return Answer(first.status, _json(said))
    return Answer(200, _json({"success": True, "accepted": len(believed.events), "rejected": rejects}))


def refusal(error: DangolError) -> Answer:
    """An error as `{"code", "message", "where"?, "hint"?}`, with `Retry-After` where asking again helps."""
    if isinstance(error, Unavailable):
        code = "too_many_events" if isinstance(error, TooMany) else "unavailable"
        body = _json({"success": False, **error_body(code, error.message)})
        return Answer(error.status, body, {"Retry-After": _seconds(error.retry_after)})
    assert isinstance(error, Invalid)
    body = _json({"success": False, **error.body()})
    closing = {"Connection": "close"} if error.status in (408, 413) else {}  # the rest of the body is not read
    return Answer(error.status, body, closing)


def reject_body(reject: Reject, **place: Any) -> dict[str, Any]:
    """An item we do not believe, as its client is told of it; `place` says which one it is."""
    known = {name: value for name, value in place.items() if value not in (None, "")}
    return known | error_body(reject.code, reject.message, reject.where, reject.hint)


def cross_origin(headers: Mapping[str, str]) -> dict[str, str]:
    """What lets a page of any origin read our answer; nothing for a client that is no browser. No cookies, ever."""
    origin = headers.get("origin")
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED, "Vary": "Origin"}


def preflight(headers: Mapping[str, str], methods: str) -> Answer:
    """The answer to a browser that asks first: whatever headers it wants to send."""
    asked = headers.get("access-control-request-headers", "authorization, content-type")
    allowed = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": MAX_AGE,
    }
    return Answer(200, b"{}", allowed)


def _seconds(span: timedelta) -> str:
    return str(max(1, math.ceil(span.total_seconds())))


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
