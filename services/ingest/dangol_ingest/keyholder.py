"""Where clients put their key. PURE."""

import base64
import binascii
from collections.abc import Mapping

from dangol.errors import Unauthorized

BASIC = "basic "
SCHEMES = ("bearer ", "apikey ")


def in_headers(headers: Mapping[str, str]) -> str | None:
    """The key of the user of Basic authorization, of a bearer, or of `X-Write-Key`; None where there is none."""
    said = headers.get("authorization", "")
    lower = said[:7].lower()
    if lower.startswith(BASIC):
        return _user(said[len(BASIC) :])
    if lower in SCHEMES:
        return said[7:].strip() or None
    return headers.get("x-write-key") or None


def missing(query: Mapping[str, str]) -> Unauthorized:
    """What a request without a key is told."""
    hint = "send it as the user of Basic authorization, as X-Write-Key, or as writeKey in the body"
    if "writeKey" in query:
        hint = "a key in the query is taken on /beacon routes only: addresses end up in logs; " + hint
    return Unauthorized("no_key", "no write key was given", where="Authorization", hint=hint)


def unknown() -> Unauthorized:
    """What a request with a key that is none, or no longer one, is told."""
    return Unauthorized("unknown_key", "no such write key, or it was revoked", where="Authorization")


def _user(encoded: str) -> str | None:
    try:
        user, _, _ = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user or None
