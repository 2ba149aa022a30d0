"""The dispatcher, put together from a house: what it keeps open, what it serves, what it does in the background."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import APIRouter

from dangol.front import COLD
from dangol.outbox import Outbox
from dangol.service import House
from dangol_dispatcher import inbox, pages
from dangol_dispatcher.api import open_router
from dangol_dispatcher.desk import Office
from dangol_dispatcher.link_keys import open_sealer
from dangol_dispatcher.published import Published
from dangol_dispatcher.rulebook import INBOX
from dangol_dispatcher.worker import GROUP, Worker


class Dispatcher:
    """The role, as the process sees it."""

    name = "dispatcher"
    hot = COLD

    def __init__(self, worker: Worker, router: APIRouter) -> None:
        self.worker, self.router = worker, router

    async def run(self, stop: asyncio.Event) -> None:
        """Work in the background until `stop`."""
        await self.worker.run(stop)

    async def ready(self) -> str | None:
        """Whether the reader has joined."""
        return None if self.worker.joined else "the reader of messages has not joined yet"

    def stuck(self) -> str | None:
        """Why the reader stands still."""
        return self.worker.subscription.stuck()

    async def next_due(self) -> datetime | None:
        """The earliest moment a message is due."""
        return await self.worker.next_due()

    async def idle(self, now: datetime) -> bool:
        """Whether nothing is left to do at `now`."""
        return await self.worker.idle(now)


@asynccontextmanager
async def open_service(house: House) -> AsyncIterator[Dispatcher]:
    """Dispatcher over an open house."""
    outbox = Outbox(house.db, house.stream, GROUP)
    sealer = await open_sealer(house.db, house.settings)
    published = Published(INBOX if house.embedded else None)
    office = Office(house.db, outbox, published, sealer)
    worker = Worker(house, office)
    published.on_move(worker.moved.set)
    router = APIRouter()
    for part in (
        open_router(office, worker.ring),
        pages.router(house.db, outbox, sealer, published),
        inbox.router(house.db, house.settings, sealer),
    ):
        router.include_router(part)
    yield Dispatcher(worker, router)
