"""Whether this process lives, and whether it can serve now."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from dangol.service import Service
from dangol.stream import Stream

WATCHED = 30.0  # seconds in which somebody who watches us asks twice
TOLD_WITHIN = 5.0  # seconds the door stays open for him to hear that we leave


class Health:
    """`/healthz/live` never depends on broker or database; `/healthz/ready` asks all that serving needs."""

    def __init__(self, services: Sequence[Service], stream: Stream, stop: asyncio.Event) -> None:
        self._services, self._stream, self._stop = services, stream, stop
        self._asked: deque[float] = deque(maxlen=2)  # when we said that we are ready
        self._told = asyncio.Event()  # … that we are stopping
        self.router = APIRouter(prefix="/healthz", include_in_schema=False)
        self.router.add_api_route("/live", self.live, methods=["GET", "HEAD"])
        self.router.add_api_route("/ready", self.ready, methods=["GET", "HEAD"])

    async def live(self) -> JSONResponse:
        """503 when a consumer stands still though broker and database are well."""
        stuck = {service.name: why for service in self._services if (why := service.stuck())}
        return JSONResponse({"live": not stuck, "stuck": stuck}, 503 if stuck else 200)

    async def ready(self) -> JSONResponse:
        """503 with the reasons while something that serving needs is missing, and once we are stopping."""
        waiting: dict[str, str] = {"process": "stopping"} if self._stop.is_set() else {}
        if why := await self._stream.ready():
            waiting["log"] = why
        for service in self._services:
            if why := await service.ready():
                waiting[service.name] = why
        if self._stop.is_set():
            self._told.set()
        elif not waiting:
            self._asked.append(_now())
        return JSONResponse({"ready": not waiting, "waiting": waiting}, 503 if waiting else 200)

    async def left_out(self) -> None:
        """Return once who sends us requests has heard that we are stopping: at once where nobody asks regularly."""
        if len(self._asked) == 2 and self._asked[0] > _now() - WATCHED:
            with suppress(TimeoutError):
                async with asyncio.timeout(TOLD_WITHIN):
                    await self._told.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()
