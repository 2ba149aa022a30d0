"""The HTTP door: what it takes for a client to hold one of our connections, and how many there may be."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN = 10.0  # seconds for a request's line and headers
SILENT_FOR = 20.0  # seconds in which something of a body comes; how long all of it may take is said where it is read
GRACE = 20  # seconds that open requests have when we stop
OWN_FILES = 128  # descriptors kept for the database, the log, gateways
FEWEST = 32  # connections, however few descriptors there are
_TOO_MANY = b'{"code": "unavailable", "message": "too many open connections"}\n'
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_TOO_MANY), _TOO_MANY)
)
SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class DoorConfig(uvicorn.Config):
    """uvicorn's settings, and ours: `most` open connections, each request's head within `head_within` seconds, and its
    body never silent for longer than `silent_for`."""

    def __init__(
        self, app: ASGIApp, *, most: int, head_within: float = HEAD_WITHIN, silent_for: float = SILENT_FOR
    ) -> None:
        super().__init__(
            app,
            http=Patient,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=30,
        )
        self.most, self.head_within, self.silent_for = most, head_within, silent_for


class Patient(HttpToolsProtocol):
    """One connection. uvicorn itself waits for a request for ever, and stops accepting when descriptors run out."""

    _cutting: asyncio.TimerHandle | None = None
    _in_head, _in_body = True, False  # what is being waited for
    _heard = False  # since we looked last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Take it, or say at once that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._config.most:
            transport.write(FULL)
            transport.close()
        else:
            self._wait(self._config.head_within)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._heard = True
        super().data_received(data)
        if self._cutting is None:  # most requests come whole, and need no timer
            if self._in_head:
                self._wait(self._config.head_within)
            elif self._in_body:
                self._wait(self._config.silent_for)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head, self._in_body = False, True
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is."""
        self._in_body = False
        self._stop_waiting()
        super().on_message_complete()

    @property
    def _config(self) -> DoorConfig:
        return cast(DoorConfig, self.config)

    def _wait(self, seconds: float) -> None:
        self._heard = False
        self._cutting = self.loop.call_later(seconds, self._look)

    def _stop_waiting(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None

    def _look(self) -> None:
        """A body may take long, if only something of it comes, or it is us who do not read on; a head may not."""
        if self._in_body and (self._heard or self.flow.read_paused):
            self._wait(self._config.silent_for)
        elif not self.transport.is_closing():
            self.transport.write(SLOW)
            self.transport.close()


class Door(uvicorn.Server):
    """The HTTP server; `open` is set once it listens. Signals are not its: readiness falls before the door is shut."""

    def __init__(self, config: DoorConfig) -> None:
        super().__init__(config)
        self.open = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.open.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of them."""
        yield


def make_door(app: ASGIApp) -> Door:
    """The door of this process, with room for as many connections as it has descriptors to spare."""
    return Door(DoorConfig(app, most=room()))


def room() -> int:
    """How many connections may be open: the descriptors this process may have, all of them taken, but for our own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(FEWEST, hard - OWN_FILES) if hard != resource.RLIM_INFINITY else 1_000_000
