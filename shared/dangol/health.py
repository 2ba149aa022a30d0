"""Whether this process lives, and whether it can serve now."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from dangol.service import Service
from dangol.stream import Stream


class Health:
    """`/healthz/live` never depends on broker or database; `/healthz/ready` asks all that serving needs."""

    def __init__(self, services: Sequence[Service], stream: Stream, stop: asyncio.Event) -> None:
        self._services, self._stream, self._stop = services, stream, stop
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
        return JSONResponse({"ready": not waiting, "waiting": waiting}, 503 if waiting else 200)
