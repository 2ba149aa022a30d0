"""One role as a process of its own: `dangol ingest | journey | dispatcher | insights`."""

import asyncio
import socket
from contextlib import AsyncExitStack

import structlog

from dangol import logs, metrics
from dangol.clock import utc_now
from dangol.db import open_db
from dangol.errors import Unavailable
from dangol.process import open_house, open_services, serve
from dangol.settings import Settings, read_settings

OPEN_AGAIN = 1.0  # seconds

log = structlog.get_logger(__name__)


async def run(name: str) -> None:
    """Run this role with the settings of the environment until told to stop; waits for a log that is away."""
    settings = read_settings()
    logs.start(settings.log_level)
    metrics.serve(settings.metrics_port)
    with listen(settings) as listening:
        while not await _lived(name, settings, listening):  # noqa: ASYNC110 - a log that is away tells nobody when it is back
            await asyncio.sleep(OPEN_AGAIN)


async def _lived(name: str, settings: Settings, listening: socket.socket) -> bool:
    """Whether it could be opened, and so has run until it was told to stop."""
    db = await open_db(settings.db, utc_now, name=f"dangol-{name}")
    try:
        async with AsyncExitStack() as stack:
            try:
                house = await stack.enter_async_context(open_house(settings, db, utc_now, embedded=False))
                services = await stack.enter_async_context(open_services(house, [name]))
            except Unavailable as error:
                log.warning(error.message, action="opening_waits", service=name)
                return False
            await serve(house, services, listening)
            return True
    finally:
        await db.close()


def listen(settings: Settings) -> socket.socket:
    """The socket of host and port; raises `Unavailable` where it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named: asyncio turns Nagle's delay (40 ms an answer) off only where it is.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings.share_port:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"{settings.host}:{settings.port} can't be bound: {error.strerror}") from error
    return listening
