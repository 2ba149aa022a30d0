"""Insights, put together: the archive's reader, and its routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import APIRouter

from dangol.front import COLD
from dangol.service import House, Service
from dangol_insights.api import make_router
from dangol_insights.place import open_archive
from dangol_insights.tail import Bell
from dangol_insights.worker import Reading


class Insights:
    """The role: reads what was done and decided, and answers about it."""

    name = "insights"
    hot = COLD

    def __init__(self, reading: Reading, bell: Bell, router: APIRouter) -> None:
        self._reading, self._bell, self.router = reading, bell, router

    async def run(self, stop: asyncio.Event) -> None:
        """Read into the archive until `stop`; then those who follow the tail are let go."""
        try:
            await self._reading.run(stop)
        finally:
            self._bell.close()

    async def ready(self) -> str | None:
        """Always: what it has read can be asked for."""
        return None

    def stuck(self) -> str | None:
        """Why the archive stands still though log and database are well."""
        return self._reading.stuck()

    async def next_due(self) -> datetime | None:
        """Nothing of insights' ever becomes due."""
        return None

    async def idle(self, now: datetime) -> bool:
        """Whether everything the log took is in the archive."""
        return self._reading.caught_up(now)


@asynccontextmanager
async def open_service(house: House) -> AsyncIterator[Service]:
    """The insights role, open."""
    bell = Bell()
    async with open_archive(house) as db:
        yield Insights(Reading(house, db, bell.ring), bell, make_router(house.db, db, bell, house.settings))
