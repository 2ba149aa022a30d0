"""The journey worker without its loops: opened over a real log and database, and driven batch by batch."""

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from dangol.clock import utc_now
from dangol.db import Db, open_db
from dangol.documents import read_dir
from dangol.migrate import migrate
from dangol.process import COLLECT_AT, open_house
from dangol.publishing import publish_checked, workspace_of
from dangol.service import House
from dangol.stream import Outgoing
from dangol_bench.ground import Home
from dangol_bench.model import Untrue
from dangol_journey.batch import Workshop
from dangol_journey.main import JourneyService, open_service
from dangol_journey.worker import Worker

WAIT = timedelta(milliseconds=500)
EMPTY_READS = 20  # in a row, before a log that should have more is given up


@dataclass(slots=True)
class Bench:
    """An open worker that has joined, and its house."""

    house: House
    worker: Worker

    @property
    def shop(self) -> Workshop:
        """What settling needs."""
        return self.worker.shop

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Put records into the log, as ingest does."""
        for start in range(0, len(outgoing), 1000):
            await self.house.stream.append(outgoing[start : start + 1000])

    async def settle(self, records: int, at_most: int) -> None:
        """Read so many records and commit what they lead to, as `run_batches` does."""
        subscription, empty = self.worker.subscription, 0
        while records > 0:
            batch = await subscription.read(min(at_most, records), WAIT)
            if batch.records:
                await self.worker.handler.handle(batch)
                subscription.saved(batch)
            records -= len(batch.records)
            empty = 0 if batch.records else empty + 1
            if empty > EMPTY_READS:
                raise Untrue(f"{records} records of the log did not come")

    async def relay(self) -> int:
        """Publish what the outbox holds; how many."""
        return await self.shop.outbox.relay(self.worker.subscription.held())


@asynccontextmanager
async def opened(home: Home, definitions: Path) -> AsyncIterator[Bench]:
    """A journey worker in this process, over a new home with these definitions published."""
    settings = home.settings
    db = await open_db(settings.db, utc_now)
    try:
        await migrate(db)
        await publish(db, definitions)
        async with open_house(settings, db, utc_now, embedded=settings.embedded) as house, open_service(house) as role:
            assert isinstance(role, JourneyService)
            worker = role._worker
            await worker.subscription.start()
            gc.freeze()
            gc.set_threshold(*COLLECT_AT)  # as a role's process does
            yield Bench(house, worker)
            await worker.subscription.close()
    finally:
        await db.close()


async def publish(db: Db, definitions: Path) -> None:
    """Put a folder in force."""
    documents, found = read_dir(definitions)
    done = await publish_checked(db, workspace_of(documents), documents, by="bench", found=found)
    if done.refused:
        raise Untrue(f"not published: {done.problems}")
