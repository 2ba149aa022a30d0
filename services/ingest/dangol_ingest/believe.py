"""Calls → events we believe, and rejects that say what to mend. PURE."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from dangol.errors import Invalid
from dangol.events import CALL_NAMES, Event, Fate, Kind, Origin
from dangol.names import named
from dangol_ingest import times
from dangol_ingest.model import MAX_ID, Arrival, Believed, Call, Posted, Reject, Unreadable, rejected

# What careless clients send for "nobody": these are no ids.
NO_IDS = {"", "null", "undefined", "nil", "none", "nan", "0", "[object object]", "false", "true"}
RESERVED = frozenset(Fate)
_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}


def believe(posted: Posted, arrival: Arrival) -> Believed:
    """The events of a request, and its rejects; never raises for an item."""
    events: list[Event] = []
    rejects: list[Reject] = []
    for index, item in enumerate(posted.items):
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        try:
            events.append(_event(index, item, posted, arrival))
        except Invalid as error:
            rejects.append(rejected(index, error, **_known(item)))
    return Believed(tuple(events), tuple(rejects))


def _event(index: int, call: Call, posted: Posted, arrival: Arrival) -> Event:
    kind = _kind(call, posted)
    user, anonymous, previous = _who(kind, call)
    context, traits = _context_and_traits(kind, call, posted)
    properties = _properties(kind, call)
    name = _name(kind, call, arrival.origin)
    stated = times.read(call.timestamp, "timestamp") or times.read(call.original_timestamp, "originalTimestamp")
    sent = _sent_at(call, posted, arrival)
    return Event(
        workspace=arrival.workspace,
        id=_id(call, arrival, index),
        kind=kind,
        name=name,
        user_id=user,
        anonymous_id=anonymous,
        previous_id=previous,
        properties=properties,
        traits=traits,
        context=context,
        at=times.happened(stated, sent, arrival.received_at, arrival.ahead),
        original_at=stated,
        sent_at=sent,
        received_at=arrival.received_at,
        origin=arrival.origin,
        key_id=arrival.key_id,
        body_hash=body_hash((kind, name, user, anonymous, previous, properties, traits, context, stated)),
        backfill=posted.backfill or bool(call.backfill or call.historical),
    )


def _who(kind: Kind, call: Call) -> tuple[str | None, str | None, str | None]:
    """The ids of the person, and of an alias the id from before."""
    user, anonymous = person_id(call.user_id, "userId"), person_id(call.anonymous_id, "anonymousId")
    if user is None and anonymous is None:
        hint = "null, 0 and undefined are no ids"
        raise Invalid("no_person", "it says of nobody: no userId and no anonymousId", hint=hint)
    previous = person_id(call.previous_id, "previousId")
    if kind is Kind.ALIAS and previous is None:
        raise Invalid("no_previous_id", "an alias says who it was before", where="previousId")
    return user, anonymous, previous


def body_hash(said: Any) -> str:
    """A hash of what an event says, whatever the order of its fields: 16 bytes, in hex.

    `sentAt` and the like are no part of it, since a client's retry changes them.
    """
    return blake2b(msgspec.json.encode(said, order="deterministic"), digest_size=16).hexdigest()


def person_id(value: Any, where: str) -> str | None:
    """An id of a person: text, or a number turned to text; None for what stands for nobody. Raises `Invalid`."""
    found = identifier(value, where)
    return None if found is None or found.lower() in NO_IDS else found


def identifier(value: Any, where: str) -> str | None:
    """An id or a name: trimmed, in Unicode's composed form, at most `MAX_ID` bytes. Raises `Invalid`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid("wrong_type", f"text is wanted, not {type(value).__name__}", where=where)
    text = value if value.isascii() else unicodedata.normalize("NFC", value)
    text = text.strip()
    if len(text.encode()) > MAX_ID:
        raise Invalid("too_long", f"longer than {MAX_ID} bytes", where=where)
    if "\x00" in text:
        raise Unreadable("nul_character", "text holds a NUL character (\\u0000)", where=where)
    return text or None


def _kind(call: Call, posted: Posted) -> Kind:
    if posted.kind is not None:
        return posted.kind
    if call.type is None and call.event is not None:
        return Kind.TRACK
    kind = _KINDS.get(call.type) if isinstance(call.type, str) else None
    if kind is None:
        message = "it has no type" if call.type is None else f"no such type: {str(call.type)[:64]!r}"
        raise Invalid("unknown_type", message, where="type", hint="one of " + ", ".join(Kind))
    return kind


def _name(kind: Kind, call: Call, origin: Origin) -> str:
    if kind is not Kind.TRACK:
        return CALL_NAMES[kind]
    name = identifier(call.event, "event")
    if name is None:
        raise Invalid("no_event_name", "a track call names its event", where="event", hint='{"event": "Signed Up"}')
    if origin is Origin.BROWSER and name in RESERVED:
        raise Invalid("reserved_name", f"{name} is said by dangol itself, not by a browser", where="event")
    return name


def _context_and_traits(kind: Kind, call: Call, posted: Posted) -> tuple[dict[str, Any], dict[str, Any]]:
    """The context of the batch and of the item as one, and what the item says of the person."""
    context = {**posted.context, **(call.context or {})}
    traits = context.pop("traits", None)
    traits = dict(traits) if isinstance(traits, dict) else {}
    if kind is not Kind.GROUP and call.traits:
        traits |= call.traits
    integrations = {**posted.integrations, **(call.integrations or {})}
    if integrations and integrations != {"All": True}:
        context["integrations"] = integrations
    return context, traits


def _properties(kind: Kind, call: Call) -> dict[str, Any]:
    properties = call.properties or {}
    if kind in (Kind.PAGE, Kind.SCREEN):
        said = {"name": call.name, "category": call.category}
        return {name: value for name, value in said.items() if value} | properties
    if kind is Kind.GROUP:
        group = identifier(call.group_id, "groupId")
        return {**properties, "groupId": group, "traits": call.traits or {}} if group else properties
    return properties


def _id(call: Call, arrival: Arrival, index: int) -> str:
    return identifier(call.message_id, "messageId") or named("event", arrival.seed, index)


def _sent_at(call: Call, posted: Posted, arrival: Arrival) -> datetime | None:
    """When the client said it sent it; nonsense there is no reason to lose an event."""
    try:
        return times.read(call.sent_at or posted.sent_at or arrival.sent_at, "sentAt")
    except Invalid:
        return None


def _known(call: Call) -> dict[str, Any]:
    """What can be told of an item that is not believed."""
    said = {"id": call.message_id, "user_id": call.user_id, "anonymous_id": call.anonymous_id}
    known: dict[str, Any] = {name: _short(value) for name, value in said.items()}
    return known | {"item": _beginning(call)}


def _short(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if 0 < len(text.encode(errors="replace")) <= MAX_ID else None


def _beginning(call: Call) -> str:
    said = {name: value for name, value in msgspec.to_builtins(call).items() if value is not None}
    said.pop("writeKey", None), said.pop("api_key", None)
    return msgspec.json.encode(said)[:1024].decode(errors="replace")
