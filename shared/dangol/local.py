"""Pages of this machine: what a browser on it may ask of a product bound to loopback, without a key."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from fastapi import Request

from dangol.auth import secret
from dangol.settings import Settings

SAFE = frozenset({"GET", "HEAD"})
# A page of another site can't set this header without asking first, and is never answered yes.
OWN_PAGE = "x-dangol-page"
# A proxy on this machine asks by a loopback name too, for people who are elsewhere.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_local(request: Request, settings: Settings) -> bool:
    """Whether a request is this machine's own page's: bound to loopback, and asked for by a loopback name."""
    if not is_loopback(settings.host) or not is_loopback(request.url.hostname or ""):
        return False
    if any(name in request.headers for name in FORWARDED):
        return False
    if request.method in SAFE:
        return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return OWN_PAGE in request.headers


def local_or_secret(settings: Settings, scope: str) -> Callable[[Request], Awaitable[str]]:
    """A dependency giving the workspace: of this machine's own page, or of a secret key with `scope`."""
    by_key = secret(scope)

    async def asks(request: Request) -> str:
        if "authorization" not in request.headers and is_local(request, settings):
            return settings.workspace
        return (await by_key(request)).workspace

    return asks
