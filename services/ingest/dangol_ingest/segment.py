"""The Segment HTTP API: the text of a request → its calls. PURE."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dangol.errors import Invalid, TooLarge
from dangol.events import Kind
from dangol_ingest import text, usual
from dangol_ingest.model import MAX_EVENT, MAX_ITEMS, Call, Posted, Reject, Unreadable, rejected


class Batch(msgspec.Struct, rename="camel", kw_only=True):
    """The envelope of a batch; its items are read one by one, so that a bad one spoils no other."""

    batch: list[msgspec.Raw]
    sent_at: Any = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    write_key: Any = None
    api_key: Any = msgspec.field(default=None, name="api_key")
    backfill: bool | None = None
    historical: bool | None = None
    historical_migration: bool | None = msgspec.field(default=None, name="historical_migration")


_calls = msgspec.json.Decoder(Call)
_batches = msgspec.json.Decoder(Batch)
_lists = msgspec.json.Decoder(list[msgspec.Raw])


def one(body: bytes, kind: Kind) -> Posted:
    """A single call, of the kind its route says."""
    call = _item(0, body, read_call)
    key = _key(call) if isinstance(call, Call) else None
    return Posted(items=(call,), kind=kind, key=key)


def many(body: bytes) -> Posted:
    """A batch: `{batch: [...], sentAt, context, writeKey}`, or a bare list. Raises `Invalid` for what is neither."""
    try:
        if body.lstrip()[:1] == b"[":
            return Posted(items=read_items(_lists.decode(body)))
        batch = _batches.decode(body)
    except msgspec.ValidationError as error:
        raise _no_batch(text.misfit(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _many_leniently(body)
    return _posted(batch, read_items(batch.batch))


def read_items(
    items: Sequence[bytes | msgspec.Raw], read: Callable[[bytes], Call] | None = None
) -> tuple[Call | Reject, ...]:
    """The calls of a batch in order, a reject in the place of what is none. Raises `TooLarge` for too many."""
    read = read or read_call
    if len(items) > MAX_ITEMS:
        raise TooLarge("too_many_items", f"a batch has at most {MAX_ITEMS:,} items", hint="send smaller batches")
    return tuple([_item(index, bytes(item), read) for index, item in enumerate(items)])


def _item(index: int, raw: bytes, read: Callable[[bytes], Call]) -> Call | Reject:
    try:
        return read(raw)
    except Invalid as error:
        return rejected(index, error, item=_beginning(raw))


def read_call(raw: bytes) -> Call:
    """One call from its JSON text; raises `Invalid`, or `Unreadable` where the text itself is at fault."""
    call = usual.read(raw) if len(raw) <= MAX_EVENT else None
    return read_with_care(raw) if call is None else call


def read_with_care(raw: bytes) -> Call:
    """The same of any text, though it takes longer: what is wrong is told with its place."""
    if len(raw) > MAX_EVENT:
        raise TooLarge("event_too_large", f"an event is at most {MAX_EVENT:,} bytes, this one has {len(raw):,}")
    try:
        if not text.needs_a_look(raw):
            return _calls.decode(raw)
        return as_call(text.sound(msgspec.json.decode(raw)))
    except msgspec.ValidationError as error:
        if not text.out_of_range(error):
            raise text.misfit(error) from error
    except (ValueError, RecursionError):  # a DecodeError and a UnicodeDecodeError are ValueErrors
        pass
    return as_call(text.sound(text.leniently(raw)))


def as_call(value: Any) -> Call:
    """A call from a decoded JSON value; raises `Invalid`."""
    try:
        return msgspec.convert(value, Call)
    except msgspec.ValidationError as error:
        raise text.misfit(error) from error


def _many_leniently(body: bytes) -> Posted:
    """A batch whose text spoils the strict reading: perhaps only one of its items is at fault."""
    value = text.leniently(body)
    found = value.get("batch") if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise Unreadable("bad_json", "the body is not a batch of good JSON")
    if len(found) > MAX_ITEMS:
        raise TooLarge("too_many_items", f"a batch has at most {MAX_ITEMS:,} items", hint="send smaller batches")
    items = tuple(_lenient_item(index, item) for index, item in enumerate(found))
    if not isinstance(value, dict):
        return Posted(items=items)
    around = text.sound({name: item for name, item in value.items() if name != "batch"})
    try:
        return _posted(msgspec.convert({**around, "batch": []}, Batch), items)
    except msgspec.ValidationError as error:
        raise _no_batch(text.misfit(error)) from error


def _lenient_item(index: int, value: Any) -> Call | Reject:
    try:
        return as_call(text.sound(value))
    except Invalid as error:
        return rejected(index, error)


def _posted(batch: Batch, items: tuple[Call | Reject, ...]) -> Posted:
    return Posted(
        items=items,
        context=text.sound(batch.context or {}, "context"),
        integrations=text.sound(batch.integrations or {}, "integrations"),
        sent_at=batch.sent_at,
        key=_key(batch),
        backfill=bool(batch.backfill or batch.historical or batch.historical_migration),
    )


def _key(body: Call | Batch) -> str | None:
    found = body.write_key or body.api_key
    return found if isinstance(found, str) else None


def _no_batch(error: Invalid) -> Invalid:
    hint = 'a batch is {"batch": [{"type": "track", ...}]}'
    return Invalid("bad_batch", error.message, where=error.where or "batch", hint=hint)


def _beginning(raw: bytes) -> str:
    return raw[:1024].decode(errors="replace").replace("\x00", "\\u0000")
