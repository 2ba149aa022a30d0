"""An ingest on a test's database and log, and a program of one that dies at a chosen point."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import uvicorn

from dangol.clock import utc_now
from dangol.db import Db, open_db
from dangol.service import House
from dangol.settings import Settings, read_settings
from dangol.stream import Outgoing, Stream, open_stream
from dangol_ingest.main import open_service
from tests.support.house import SECRET, WRITE, app_of, client_of


def house_of(settings: Settings, db: Db, stream: Stream) -> House:
    """What a service is handed, with the keys `WRITE` and `SECRET`."""
    keyed = replace(settings, write_key=WRITE, secret_key=SECRET)
    return House(settings=keyed, db=db, stream=stream, clock=utc_now)


@asynccontextmanager
async def ingest_on(settings: Settings, db: Db, stream: Stream) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an ingest over an open database and log; its bearer is the write key."""
    house = house_of(settings, db, stream)
    async with open_service(house) as ingest, client_of(app_of(house, ingest.router), WRITE) as client:
        yield client


@dataclass
class Dying:
    """A log whose process is killed just before or just after a write is durable."""

    stream: Stream
    when: str

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Write, and die."""
        if self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await self.stream.append(outgoing)
        os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


async def serve(given: dict[str, Any], when: str, port: int) -> None:
    """Serve ingest until killed; says a line once it listens."""
    settings = read_settings({}, **given)
    db = await open_db(settings.db, utc_now)
    stream: Any = Dying(await open_stream(settings, db, utc_now), when)
    house = house_of(settings, db, stream)
    async with open_service(house) as ingest:
        config = uvicorn.Config(app_of(house, ingest.router), port=port, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        print("serving", flush=True)  # noqa: T201 - what the test waits for
        await serving


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
