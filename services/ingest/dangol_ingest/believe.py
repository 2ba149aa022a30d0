"""Calls → events we believe, and rejects that say what to mend. PURE."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dangol.errors import Invalid
from dangol.events import CALL_NAMES, Fate, Kind, Origin
from dangol.names import named
from dangol.stream import Outgoing
from dangol_ingest import times
from dangol_ingest.kept import Said, came, kept
from dangol_ingest.model import MAX_ID, Arrival, Believed, Call, Posted, Reject, Unreadable, rejected

# What careless clients send for "nobody": these are no ids.
NO_IDS = {"", "null", "undefined", "nil", "none", "nan", "0", "[object object]", "false", "true"}
RESERVED = frozenset(Fate)
NOT_SHOWN = ("writeKey", "api_key", "channel", "version", "_metadata")  # keys, and what nobody reads
EVERYWHERE = {"All": True}  # what every client says of integrations
# Named once: on Python 3.11 looking a member up in its enum takes as long as calling a function.
TRACK, GROUP, ALIAS, BROWSER = Kind.TRACK, Kind.GROUP, Kind.ALIAS, Origin.BROWSER
_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}


def believe(posted: Posted, arrival: Arrival) -> Believed:
    """The events of a request, and its rejects; never raises for an item."""
    events: list[Outgoing] = []
    rejects: list[Reject] = []
    sending = _Sending(posted, arrival)
    for index, item in enumerate(posted.items):
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        try:
            events.append(_event(index, item, posted, sending))
        except Invalid as error:
            rejects.append(rejected(index, error, **_known(item)))
    return Believed(tuple(events), tuple(rejects))


def _event(index: int, call: Call, posted: Posted, sending: "_Sending") -> Outgoing:
    arrival = sending.arrival
    kind = posted.kind or _kind(call)
    user, anonymous, previous = _who(kind, call)
    context, traits = _context_and_traits(kind, call, posted)
    properties = (call.properties or {}) if kind is TRACK else _properties(kind, call)
    name = _name(kind, call, arrival.origin)
    stated = times.read(call.timestamp, "timestamp") or times.read(call.original_timestamp, "originalTimestamp")
    sent, came = sending.of(call)
    said = Said(
        id=identifier(call.message_id, "messageId") or named("event", arrival.seed, index),
        kind=kind,
        name=name,
        user_id=user,
        anonymous_id=anonymous,
        previous_id=previous,
        properties=properties,
        traits=traits,
        context=context,
        original_at=stated,
    )
    at = arrival.received_at if stated is None else times.happened(stated, sent, arrival.received_at, arrival.ahead)
    return kept(said, at, arrival.workspace, came)


class _Sending:
    """When the client said it sent a request, and how that came: of most items what it is of the whole."""

    def __init__(self, posted: Posted, arrival: Arrival) -> None:
        self.arrival, self._posted = arrival, posted
        self._whole = self._read(posted.sent_at or arrival.sent_at, posted.backfill)

    def of(self, call: Call) -> tuple[datetime | None, bytes]:
        """Of one item, which may say otherwise."""
        if not call.sent_at and not call.backfill and not call.historical:
            return self._whole
        stated = call.sent_at or self._posted.sent_at or self.arrival.sent_at
        return self._read(stated, self._posted.backfill or bool(call.backfill or call.historical))

    def _read(self, stated: Any, backfill: bool) -> tuple[datetime | None, bytes]:
        try:
            sent = times.read(stated, "sentAt")
        except Invalid:
            sent = None  # nonsense there is no reason to lose an event
        return sent, came(self.arrival, sent, backfill)


def _who(kind: Kind, call: Call) -> tuple[str | None, str | None, str | None]:
    """The ids of the person, and of an alias the id from before."""
    user = person_id(call.user_id, "userId")
    anonymous = None if call.anonymous_id is None else person_id(call.anonymous_id, "anonymousId")
    if user is None and anonymous is None:
        hint = "null, 0 and undefined are no ids"
        raise Invalid("no_person", "it says of nobody: no userId and no anonymousId", hint=hint)
    previous = None if call.previous_id is None else person_id(call.previous_id, "previousId")
    if previous is None and kind is ALIAS:
        raise Invalid("no_previous_id", "an alias says who it was before", where="previousId")
    return user, anonymous, previous


def person_id(value: Any, where: str) -> str | None:
    """An id of a person: text, or a number turned to text; None for what stands for nobody. Raises `Invalid`."""
    found = identifier(value, where)
    return None if found is None or found.lower() in NO_IDS else found


def identifier(value: Any, where: str) -> str | None:
    """An id or a name: trimmed, in Unicode's composed form, at most `MAX_ID` bytes. Raises `Invalid`."""
    if type(value) is str and value.isascii() and len(value) <= MAX_ID and "\x00" not in value:  # most are
        return value.strip() or None
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


def _kind(call: Call) -> Kind:
    if call.type is None and call.event is not None:
        return TRACK
    kind = _KINDS.get(call.type) if isinstance(call.type, str) else None
    if kind is None:
        message = "it has no type" if call.type is None else f"no such type: {str(call.type)[:64]!r}"
        raise Invalid("unknown_type", message, where="type", hint="one of " + ", ".join(Kind))
    return kind


def _name(kind: Kind, call: Call, origin: Origin) -> str:
    if kind is not TRACK:
        return CALL_NAMES[kind]
    name = identifier(call.event, "event")
    if name is None:
        raise Invalid("no_event_name", "a track call names its event", where="event", hint='{"event": "Signed Up"}')
    if origin is BROWSER and name in RESERVED:
        raise Invalid("reserved_name", f"{name} is said by dangol itself, not by a browser", where="event")
    return name


def _context_and_traits(kind: Kind, call: Call, posted: Posted) -> tuple[dict[str, Any], dict[str, Any]]:
    """The context of the batch and of the item as one, and what the item says of the person."""
    context = call.context or {}
    if posted.context:
        context = {**posted.context, **context}
    traits: dict[str, Any] = {}
    if "traits" in context:
        found = context["traits"]
        traits = found if isinstance(found, dict) else {}
        context = {name: value for name, value in context.items() if name != "traits"}
    if call.traits and kind is not GROUP:
        traits = {**traits, **call.traits}
    if call.integrations or posted.integrations:
        integrations = {**posted.integrations, **(call.integrations or {})}
        if integrations != EVERYWHERE:
            context = {**context, "integrations": integrations}
    return context, traits


def _properties(kind: Kind, call: Call) -> dict[str, Any]:
    """What a call says beside who and when, with what its kind says elsewhere than a track does."""
    properties = call.properties or {}
    if kind in (Kind.PAGE, Kind.SCREEN):
        said = {"name": call.name, "category": call.category}
        return {name: value for name, value in said.items() if value} | properties
    if kind is GROUP:
        group = identifier(call.group_id, "groupId")
        return {**properties, "groupId": group, "traits": call.traits or {}} if group else properties
    return properties


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
    for name in NOT_SHOWN:
        said.pop(name, None)
    return msgspec.json.encode(said)[:1024].decode(errors="replace")
