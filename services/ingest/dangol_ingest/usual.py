"""The usual item: what nearly every client posts, its shape, depth and numbers checked in C as it is read. PURE.

Whatever does not fit is not refused here: `segment` reads it again with care, and tells what is wrong and where.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from dangol.events import Kind
from dangol_ingest.model import Call

_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Scalar = str | bool | _Int | float | None
_Flat = str | bool | _Int | float
_Inner = TypeVar("_Inner")
# A value one level deeper: without a null in its objects, and with.
_Level = _Flat | dict[str, _Inner] | list[_Inner | None]
_Holed = _Flat | None | dict[str, _Inner] | list[_Inner]
_Object = dict[str, _Level[_Level[_Level[_Flat]]]] | None
_HoledObject = dict[str, _Holed[_Holed[_Holed[_Flat | None]]]] | None


class Usual(Call, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A call of which nothing must be changed or refused for its text. Fields that no one reads are some clients'."""

    type: Kind | None = None
    event: _Scalar = None
    name: _Scalar = None
    category: _Scalar = None
    user_id: _Scalar = None
    anonymous_id: _Scalar = None
    previous_id: _Scalar = None
    group_id: _Scalar = None
    message_id: _Scalar = None
    timestamp: _Scalar = None
    original_timestamp: _Scalar = None
    sent_at: _Scalar = None
    write_key: _Scalar = None
    api_key: _Scalar = msgspec.field(default=None, name="api_key")
    channel: _Scalar = None
    version: _Scalar = None


class Whole(Usual, kw_only=True, rename="camel"):
    """Without a null in its objects."""

    properties: _Object = None
    traits: _Object = None
    context: _Object = None
    integrations: _Object = None
    metadata: _Object = msgspec.field(default=None, name="_metadata")


class Holed(Usual, kw_only=True, rename="camel"):
    """With nulls in them, which are left out."""

    properties: _HoledObject = None
    traits: _HoledObject = None
    context: _HoledObject = None
    integrations: _HoledObject = None
    metadata: _HoledObject = msgspec.field(default=None, name="_metadata")


_whole = msgspec.json.Decoder(Whole)
_holed = msgspec.json.Decoder(Holed)


def read(raw: bytes) -> Usual | None:
    """The call of a JSON text that is usual in all it says, without nulls; None for any other."""
    if b"\\" in raw and b"\\u0000" in raw:  # a single byte is found ten times as fast
        return None
    try:
        return _whole.decode(raw)
    except (ValueError, RecursionError):  # a DecodeError and a UnicodeDecodeError are ValueErrors
        return _read_holed(raw) if b"null" in raw else None


def _read_holed(raw: bytes) -> Usual | None:
    try:
        call = _holed.decode(raw)
    except (ValueError, RecursionError):
        return None
    call.properties = _filled(call.properties)
    call.traits = _filled(call.traits)
    call.context = _filled(call.context)
    call.integrations = _filled(call.integrations)
    return call


def _filled(value: Any) -> Any:
    """A value without the nulls of its objects; those of lists stay: places matter there."""
    if type(value) is dict:
        return {name: _filled(item) for name, item in value.items() if item is not None}
    return [_filled(item) for item in value] if type(value) is list else value
