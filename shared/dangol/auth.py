"""Who asks: FastAPI dependencies that turn a bearer key into a workspace and what may be done in it."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from dangol.errors import Forbidden, Unauthorized
from dangol.keys import Key, KeyRing


def secret(scope: str) -> Callable[[Request], Awaitable[Key]]:
    """A dependency, `Depends(secret("messages:read"))`: the request's live secret key, if its scopes hold `scope`."""

    async def asks(request: Request) -> Key:
        key = await bearer(request)
        if not key.may(scope):
            raise Forbidden("forbidden", f"this key may not do that: it needs the scope {scope}", where="Authorization")
        return key

    return asks


async def bearer(request: Request) -> Key:
    """The key a request carries as bearer. Raises `Unauthorized`."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthorized(
            "no_key", "no key was given", where="Authorization", hint="Authorization: Bearer dk_secret_…"
        )
    ring: KeyRing = request.app.state.keys
    key = await ring.find(token.strip())
    if key is None:
        raise Unauthorized("unknown_key", "no such key, or it was revoked", where="Authorization")
    return key
