"""HTTP to URLs others chose: looked up once, every address checked, and the socket opened to the checked one alone."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from dangol_dispatcher.targets import Refused, Targets

DEADLINE = timedelta(seconds=15)  # of a whole call, however slowly it trickles
CONNECTING = aiohttp.ClientTimeout(total=None, connect=10)
KEPT = 64 * 1024  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` at most 64 KB of it, as it came; names of `headers` in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSent(Exception):
    """Nothing of the request left this machine: refused, not found, not connected, no TLS."""


class Unanswered(Exception):
    """The request may have arrived; no answer did."""


class Egress:
    """A client for URLs we did not choose: no redirect followed, no cookie kept, no proxy read from the environment."""

    def __init__(
        self,
        targets: Targets,
        *,
        connections: int = 64,
        proxy: str | None = None,
        names: AbstractResolver | None = None,
    ) -> None:
        self.targets = targets
        self._proxy = proxy
        self._last: tuple[str, URL] | None = None
        # Through a proxy it is the proxy we connect to: then a target's addresses are looked up and checked before.
        self._resolver = CheckedResolver(targets, names)
        self._connector = aiohttp.TCPConnector(
            limit=connections,
            limit_per_host=connections,
            resolver=None if proxy else self._resolver,
            use_dns_cache=False,
            socket_factory=None if proxy else self._socket,
            keepalive_timeout=15,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_field_size=16 * 1024,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: timedelta = DEADLINE) -> Answer:
        """POST these very bytes. Raises `Refused` for a target we do not call, `NotSent` or `Unanswered`."""
        target = self._checked(url)
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                if self._proxy:
                    await self._resolver.resolve(target.host or "", target.port or 0)
                return await self._posted(target, body, headers)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, Refused):
                raise error.os_error from error
            raise NotSent(str(error)) from error
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectionResetError, aiohttp.InvalidURL) as error:
            raise NotSent(str(error) or type(error).__name__) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error, Refused):
                raise
            raise Unanswered(str(error) or f"no answer within {deadline.total_seconds():g} s") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _checked(self, url: str) -> URL:
        """The URL, refused where no address could make it right; a gateway calls the same one again and again."""
        if self._last is None or self._last[0] != url:
            target = _read(url)
            self.targets.check(target)
            self._last = (url, target)
        return self._last[1]

    async def _posted(self, target: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        async with self._session.post(
            target, data=body, headers=headers, allow_redirects=False, proxy=self._proxy, timeout=CONNECTING
        ) as response:
            kept = bytearray()
            async for chunk in response.content.iter_any():
                kept += chunk[: KEPT - len(kept)]
                if len(kept) >= KEPT:
                    response.close()  # the rest is not ours to read
                    break
            return Answer(response.status, response.headers, bytes(kept))

    def _socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """The one place where a socket is made: the last look at the very address it will connect to."""
        family, kind, protocol, _, address = info
        if not self.targets.open_at(str(address[0]), int(str(address[1]))):
            raise Refused(f"{address[0]} port {address[1]} is not a place we call")
        return socket.socket(family, kind, protocol)


class CheckedResolver(AbstractResolver):
    """Names (the system's by default), less every address we may not call."""

    def __init__(self, targets: Targets, names: AbstractResolver | None = None) -> None:
        self._targets, self._names = targets, names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses that may be called; `Refused` when a name has none."""
        found = await (self._names or ThreadedResolver()).resolve(host, port, family)
        usable = [one for one in found if self._targets.open_to(one["host"])]
        if found and not usable:
            raise Refused(f"{host} has no address we call")
        return usable

    async def close(self) -> None:
        """Nothing is held."""


def _read(url: str) -> URL:
    try:
        return URL(url)
    except ValueError as error:
        raise Refused(f"not a URL: {error}") from error
