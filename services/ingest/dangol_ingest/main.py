"""Ingest, put together: the routes, over the log."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import APIRouter

from dangol.front import Handler
from dangol.service import House, Service
from dangol_ingest import imports
from dangol_ingest.api import hot_calls, make_router
from dangol_ingest.browser import Pages
from dangol_ingest.intake import Intake


class Ingest:
    """The role: it keeps nothing, so it has nothing to do but answer."""

    name = "ingest"

    def __init__(self, house: House, router: APIRouter, hot: Mapping[str, Handler]) -> None:
        self._house, self.router, self.hot = house, router, hot

    async def run(self, stop: asyncio.Event) -> None:
        """Wait."""
        await stop.wait()

    async def ready(self) -> str | None:
        """Ready when the log answers."""
        return await self._house.stream.ready()

    def stuck(self) -> str | None:
        """Never: it reads nothing."""
        return None

    async def next_due(self) -> datetime | None:
        """Nothing of ingest's ever becomes due."""
        return None

    async def idle(self, now: datetime) -> bool:
        """Always: what was answered is in the log."""
        return True


@asynccontextmanager
async def open_service(house: House) -> AsyncIterator[Service]:
    """The ingest role, open."""
    intake = Intake(house.stream.append, house.clock, house.settings.ingest_rate)
    router = make_router(intake, Pages(house.settings.analytics_js))
    router.include_router(imports.make_router(intake))
    yield Ingest(house, router, hot_calls(intake))
