"""The worker under a clock that is wound: moments fire as it is moved, and people inside finish on their version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dangol.clock import MovingClock
from dangol.definitions import publish
from dangol.documents import Document
from dangol.service import House, Service
from dangol_journey.main import open_service
from tests.support.house import open_house
from tests.support.workshops import did, messages, record_of, rows

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
async def house(tmp_path: Path, clock: MovingClock) -> AsyncIterator[House]:
    async with open_house(tmp_path, clock) as opened:
        yield opened


@asynccontextmanager
async def working(house: House) -> AsyncIterator[Service]:
    """Journey at work."""
    async with open_service(house) as service:
        stop = asyncio.Event()
        task = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:
            stop.set()
            await task


def reminder(*steps: Any) -> list[Document]:
    """A journey of these steps, with two templates it may name."""
    texts: dict[str, Any] = {"category": "transactional", "email": {"subject": "hi", "html": "<p>hi</p>"}}
    return [
        Document("workspace", "workspace", {"workspace": "default", "zone": "Asia/Seoul", "locale": "ko"}),
        *(Document("template", name, {"template": name, **texts}) for name in ("old", "new")),
        Document("journey", "reminder", {"journey": "reminder", "enter": {"event": "Signed Up"}, "steps": list(steps)}),
    ]


async def settled(house: House, service: Service) -> None:
    """Return when all is done that can be done at the clock's moment."""
    async with asyncio.timeout(20):
        while not await service.idle(house.clock()):  # noqa: ASYNC110 - idle has no event
            await asyncio.sleep(0.005)


async def move(house: House, clock: MovingClock, service: Service, span: timedelta) -> None:
    """As `dangol forward` does: the clock is moved, and a commit tells."""
    clock.move_to(clock() + span)
    await rows(house.db, "SELECT 1")
    await settled(house, service)


async def test_a_moment_fires_as_soon_as_the_clock_is_moved_to_it(house: House, clock: MovingClock) -> None:
    await publish(house.db, "default", reminder({"wait": "30d"}, {"send": "old", "by": "email"}), by="test")
    async with working(house) as service:
        await house.stream.append([record_of(did("Signed Up", at=clock()))])
        await settled(house, service)
        await move(house, clock, service, 29 * DAY)
        assert await messages(house.db) == []
        began = asyncio.get_running_loop().time()
        await move(house, clock, service, DAY)
        assert asyncio.get_running_loop().time() - began < 5
        assert [one.template for one in await messages(house.db)] == ["old"]


async def test_case_50_who_is_inside_finishes_on_the_version_they_entered(house: House, clock: MovingClock) -> None:
    """Caught: the newest version for all."""
    await publish(house.db, "default", reminder({"wait": "30d"}, {"send": "old", "by": "email"}), by="test")
    async with working(house) as service:
        await house.stream.append([record_of(did("Signed Up", user="u1", at=clock()))])
        await settled(house, service)
    await publish(house.db, "default", reminder({"wait": "30d"}, {"send": "new", "by": "email"}), by="test")
    async with working(house) as service:
        await house.stream.append([record_of(did("Signed Up", user="u2", at=clock()))])
        await settled(house, service)
        await move(house, clock, service, 30 * DAY)
    sent = {one.user_id: (one.template, one.version) for one in await messages(house.db)}
    assert sent == {"u1": ("old", 1), "u2": ("new", 2)}


async def test_case_50_who_is_inside_a_journey_that_was_removed_finishes_it(house: House, clock: MovingClock) -> None:
    """Caught: versions in use that are not loaded."""
    documents = reminder({"wait": "30d"}, {"send": "old", "by": "email"})
    await publish(house.db, "default", documents, by="test")
    async with working(house) as service:
        await house.stream.append([record_of(did("Signed Up", at=clock()))])
        await settled(house, service)
        await publish(house.db, "default", documents[:-1], by="test")
        await move(house, clock, service, 30 * DAY)
    assert [one.template for one in await messages(house.db)] == ["old"]
