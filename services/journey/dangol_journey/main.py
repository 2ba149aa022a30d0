"""Journey, put together: the worker and its routes over one database and one log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import APIRouter

from dangol.front import COLD
from dangol.outbox import Outbox
from dangol.service import House, Service
from dangol_journey import machine
from dangol_journey.batch import Workshop
from dangol_journey.deciding import Rules
from dangol_journey.definitions_api import definitions_router
from dangol_journey.language import compile_definitions
from dangol_journey.profiles_api import profiles_router
from dangol_journey.published import Published
from dangol_journey.worker import Worker, open_worker

RULES = Rules(machine.advance, machine.merge, machine.erase, machine.entry_keys)


class JourneyService:
    """The role."""

    name = "journey"
    hot = COLD

    def __init__(self, worker: Worker, router: APIRouter) -> None:
        self._worker, self.router = worker, router

    async def run(self, stop: asyncio.Event) -> None:
        """Handle events and moments until `stop`."""
        await self._worker.run(stop)

    async def ready(self) -> str | None:
        """Ready when it reads, and nothing made it halt."""
        return self._worker.why_not_ready()

    def stuck(self) -> str | None:
        """A partition that stands still though log and database are well."""
        return self._worker.subscription.stuck()

    async def next_due(self) -> datetime | None:
        """The earliest moment of anybody's."""
        return await self._worker.moments.next_due()

    async def idle(self, now: datetime) -> bool:
        """Whether every event is handled and nobody is due."""
        return await self._worker.idle(now)


@asynccontextmanager
async def open_service(house: House) -> AsyncIterator[Service]:
    """The journey role, open."""
    outbox = Outbox(house.db, house.stream, "journey")
    shop = Workshop(house.db, house.stream, outbox, RULES, Published(compile_definitions))
    router = APIRouter()
    router.include_router(definitions_router(house.db))
    router.include_router(profiles_router(shop))
    yield JourneyService(open_worker(shop, house.settings.member), router)
