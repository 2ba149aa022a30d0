"""The usual item: what nearly every client posts, its shape, depth and numbers checked in C as it is read. PURE.

Whatever does not fit is not refused here: `segment` reads it again with care, and tells what is wrong and where.
"""

from typing import Annotated

import msgspec

from dangol.events import Kind
from dangol_ingest.model import Call

_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Scalar = str | bool | _Int | float | None
# A value that is no null in an object, by the levels it may have. Deeper ones are seldom.
_Flat = str | bool | _Int | float
_Deep1 = _Flat | dict[str, _Flat] | list[_Flat | None]
_Deep2 = _Flat | dict[str, _Deep1] | list[_Deep1 | None]
_Deep3 = _Flat | dict[str, _Deep2] | list[_Deep2 | None]
_Deep4 = _Flat | dict[str, _Deep3] | list[_Deep3 | None]
_Deep5 = _Flat | dict[str, _Deep4] | list[_Deep4 | None]
_Object = dict[str, _Deep5] | None


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
    properties: _Object = None
    traits: _Object = None
    context: _Object = None
    integrations: _Object = None
    write_key: _Scalar = None
    api_key: _Scalar = msgspec.field(default=None, name="api_key")
    channel: _Scalar = None
    version: _Scalar = None
    metadata: _Object = msgspec.field(default=None, name="_metadata")


_usual = msgspec.json.Decoder(Usual)


def read(raw: bytes) -> Usual | None:
    """The call of a JSON text that is usual in all it says; None for any other."""
    if b"\\" in raw and b"\\u0000" in raw:  # a single byte is found ten times as fast
        return None
    try:
        return _usual.decode(raw)
    except (ValueError, RecursionError):  # a DecodeError and a UnicodeDecodeError are ValueErrors
        return None
