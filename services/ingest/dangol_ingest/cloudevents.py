"""CloudEvents 1.0 over HTTP, binary, structured and in batches → calls. PURE."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from dangol.errors import Invalid, TooLarge
from dangol.events import Kind
from dangol.names import named
from dangol_ingest import text
from dangol_ingest.model import MAX_EVENT, MAX_ID, MAX_ITEMS, Call, Posted, Reject, Unreadable, rejected

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIX = "ce-"
# Where a person is named: an extension (lower-case letters and digits only), a field of the data, the subject.
_USER = ("userid", "user_id", "userId")
_ANONYMOUS = ("anonymousid", "anonymous_id", "anonymousId")
_PERSON_FIELDS = {*_USER, *_ANONYMOUS}


def opened(headers: Mapping[str, str], body: bytes) -> Posted:
    """The events of a request; `headers` in lower case. Raises `Invalid` where the request as a whole is none."""
    said = headers.get("content-type", "").partition(";")[0].strip().lower()
    if said == BATCH:
        return _batch(body)
    if said == STRUCTURED:
        return Posted(items=(_read(0, body),), kind=Kind.TRACK)
    if f"{PREFIX}specversion" in headers:
        return Posted(items=(_binary(headers, body),), kind=Kind.TRACK)
    hint = f"send {STRUCTURED}, {BATCH}, or ce-* headers"
    raise Invalid("not_a_cloudevent", "this is no CloudEvent", where="content-type", hint=hint)


def _batch(body: bytes) -> Posted:
    try:
        found = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _lenient(body)
    if len(found) > MAX_ITEMS:
        raise TooLarge("too_many_items", f"a batch has at most {MAX_ITEMS:,} items")
    return Posted(items=tuple(_read(index, bytes(raw)) for index, raw in enumerate(found)), kind=Kind.TRACK)


def _lenient(body: bytes) -> list[msgspec.Raw]:
    """The items of a batch that is no good JSON: each is refused or believed by itself."""
    value = text.leniently(body)
    if not isinstance(value, list):
        raise Unreadable("bad_json", "a batch of CloudEvents is a JSON list")
    return [msgspec.Raw(text.written(item)) for item in value]


def _read(index: int, raw: bytes) -> Call | Reject:
    try:
        if len(raw) > MAX_EVENT:
            raise TooLarge("event_too_large", f"an event is at most {MAX_EVENT:,} bytes, this one has {len(raw):,}")
        value = text.strictly(raw)
        if not isinstance(value, dict):
            raise Invalid("wrong_type", "a CloudEvent is a JSON object")
        return _call(value, value.get("data"))
    except Invalid as error:
        return rejected(index, error, item=raw[:1024].decode(errors="replace").replace("\x00", "\\u0000"))


def _binary(headers: Mapping[str, str], body: bytes) -> Call | Reject:
    """Attributes in percent-encoded headers, the data as the body."""
    said = {name.removeprefix(PREFIX): unquote(value) for name, value in headers.items() if name.startswith(PREFIX)}
    try:
        if len(body) > MAX_EVENT:
            raise TooLarge("event_too_large", f"an event is at most {MAX_EVENT:,} bytes, this one has {len(body):,}")
        data = text.strictly(body) if body.strip() else None
        return _call(text.sound(said), data)
    except Invalid as error:
        return rejected(0, error, id=_tellable(said.get("id")))


def _call(said: Mapping[str, Any], data: Any) -> Call:
    for wanted in ("id", "source", "type"):
        if not said.get(wanted):
            raise Invalid("missing_attribute", f"a CloudEvent has an attribute {wanted}", where=wanted)
    if said.get("specversion") != "1.0":
        raise Invalid("unknown_version", "CloudEvents 1.0 is read", where="specversion")
    if data is not None and not isinstance(data, dict):
        raise Invalid("wrong_type", "data must be a JSON object", where="data")
    data = data or {}
    user, anonymous = _first(_USER, said, data), _first(_ANONYMOUS, said, data)
    return Call(
        event=said["type"],
        message_id=_id(said),
        user_id=said.get("subject") if user is None and anonymous is None else user,
        anonymous_id=anonymous,
        timestamp=said.get("time"),
        properties={name: value for name, value in data.items() if name not in _PERSON_FIELDS},
        context={"source": str(said["source"])},
        traits=_object(data.get("traits")),
    )


def _id(said: Mapping[str, Any]) -> str:
    """Source and id together name a CloudEvent."""
    name = f"{said['source']}#{said['id']}"
    return name if len(name.encode()) <= MAX_ID else named("cloudevent", str(said["source"]), str(said["id"]))


def _tellable(id: str | None) -> str | None:
    """An id that a database can hold: what is rejected for its text must not spoil the record of its rejection."""
    return id if id and id.isprintable() and len(id.encode()) <= MAX_ID else None


def _first(names: tuple[str, ...], *places: Mapping[str, Any]) -> Any:
    return next((place[name] for place in places for name in names if place.get(name) is not None), None)


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
