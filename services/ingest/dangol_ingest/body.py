"""What came over the wire → the bytes of a JSON text: sniffed whatever the headers say, unpacked under a cap. PURE."""

import zlib

from dangol.errors import TooLarge
from dangol_ingest.model import MAX_BODY, Unreadable

GZIP = b"\x1f\x8b"
MAX_MEMBERS = 16  # of one gzip: thousands of empty members cost CPU and say nothing
REFUSED_ENCODINGS = {"br", "zstd", "compress", "deflate"}
UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class UnknownEncoding(Unreadable):
    """Packed in a way we do not unpack."""

    status = 415


def plain(raw: bytes, encoding: str = "", limit: int = MAX_BODY) -> bytes:
    """The JSON text of a request's bytes, at most `limit` of them.

    gzip is known by its first two bytes. Raises `TooLarge` over the limit, `UnknownEncoding` for
    brotli and the like, `Unreadable` for what cannot be UTF-8 JSON.
    """
    if raw.startswith(GZIP):
        raw = unpacked(raw, limit)
    elif encoding.strip().lower() in REFUSED_ENCODINGS:
        raise UnknownEncoding(
            "unsupported_encoding", f"bodies packed with {encoding} are not read", hint="send gzip, or plain JSON"
        )
    if len(raw) > limit:
        raise too_large(limit)
    if not raw.strip():
        raise Unreadable(
            "empty_body", "the body is empty", hint='send JSON, like {"event": "Signed Up", "userId": "u1"}'
        )
    _look_at_the_start(raw)
    return raw


def unpacked(raw: bytes, limit: int = MAX_BODY) -> bytes:
    """A gzip unpacked, all of its members; stops as soon as it is over `limit`."""
    text = b""
    for _ in range(MAX_MEMBERS):
        inflate = zlib.decompressobj(wbits=31)
        try:
            text += inflate.decompress(raw, limit + 1 - len(text))
        except zlib.error as error:
            raise Unreadable("bad_gzip", f"the gzip can't be unpacked: {error}") from error
        if len(text) > limit:
            raise too_large(limit)
        if not inflate.eof:
            raise Unreadable("bad_gzip", "the gzip ends too early")
        raw = inflate.unused_data
        if not raw:
            return text
    raise Unreadable("bad_gzip", f"the gzip has more than {MAX_MEMBERS} members", hint="pack the body as one gzip")


def too_large(limit: int = MAX_BODY) -> TooLarge:
    """The answer to a body over the limit."""
    return TooLarge("body_too_large", f"a request is at most {limit:,} bytes, unpacked", hint="send smaller batches")


def _look_at_the_start(raw: bytes) -> None:
    if raw.startswith(GZIP):
        raise Unreadable("bad_gzip", "the gzip holds another gzip")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("byte_order_mark", "the body starts with a byte order mark", hint="send UTF-8 without one")
    if raw.startswith(UTF16_OR_32) or b"\x00" in raw[:4]:
        raise Unreadable("not_utf8", "the body is not UTF-8", hint="JSON is sent in UTF-8")
