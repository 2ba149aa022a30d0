"""One role as a process of its own: `dangol ingest | journey | dispatcher | insights`."""

import socket

from dangol import logs, metrics
from dangol.clock import utc_now
from dangol.db import open_db
from dangol.errors import Unavailable
from dangol.process import open_house, open_services, serve
from dangol.settings import Settings, read_settings


async def run(name: str) -> None:
    """Run this role with the settings of the environment until told to stop."""
    settings = read_settings()
    logs.start(settings.log_level)
    metrics.serve(settings.metrics_port)
    with listen(settings) as listening:
        db = await open_db(settings.db, utc_now, name=f"dangol-{name}")
        try:
            async with (
                open_house(settings, db, utc_now, embedded=False) as house,
                open_services(house, [name]) as services,
            ):
                await serve(house, services, listening)
        finally:
            await db.close()


def listen(settings: Settings) -> socket.socket:
    """The socket of host and port; raises `Unavailable` where it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"{settings.host}:{settings.port} can't be bound: {error.strerror}") from error
    return listening
