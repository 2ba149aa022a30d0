"""What is posted while ingest, its log or its disk fail: accepted and there, or told to come again."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dangol.decisions import Reason, Verdict
from dangol.keys import KeyKind, create_key
from dangol.metrics import DECISIONS
from dangol.settings import Settings
from tests.contract.conftest import Ground, open_ground
from tests.contract.test_journey_worker import counted, eventually, working
from tests.support.house import WRITE
from tests.support.ingesting import ingest_on
from tests.support.posts import call
from tests.support.product import free_port
from tests.support.workshops import messages, rows, workshop

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def posting(ground: Ground) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an ingest on the ground, which a journey worker reads."""
    async with ingest_on(ground.settings, ground.db, ground.stream) as client:
        yield client


async def handled(ground: Ground, events: int) -> None:
    """Let a worker read until so many ids are remembered and nothing is left."""

    async def all_read() -> bool:
        return await counted(ground, "seen_id") == events and await worker.idle(asked_at)

    asked_at = datetime.now(UTC)
    async with working(workshop(ground.db, ground.stream)) as worker:
        await eventually(all_read)


def dies(settings: Settings, when: str) -> bool:
    """Whether a post to an ingest that is killed `when` stays without an answer."""
    given = {name: getattr(settings, name) for name in ("log", "db", "topic_prefix", "partitions")}
    port = free_port()
    command = [sys.executable, "-m", "tests.support.ingesting", json.dumps(given), when, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.readline() == b"serving\n"
        try:
            httpx2.post(f"http://127.0.0.1:{port}/v1/track", json=call(), auth=(WRITE, ""), trust_env=False)
        except httpx2.TransportError:
            return running.wait(10) == -9
        finally:
            running.kill()
    return False


@pytest.mark.parametrize("when", ["after", "before"])
async def test_case_2_and_case_3_killed_on_either_side_of_the_write(settings: Settings, when: str) -> None:
    """Caught: an answer given before the append; ids not remembered."""
    before = await open_ground(settings)
    await before.close()
    assert await asyncio.to_thread(dies, settings, when)
    ground = await open_ground(settings)
    try:
        if when == "after":
            await handled(ground, 1)  # it was durable, though nobody was told
        async with posting(ground) as client:
            answer = await client.post("/v1/track", json=call())
        assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "rejected": []})
        await handled(ground, 1)
        assert await counted(ground, "enrolment") == 1
        assert len(await messages(ground.db)) <= 1  # relayed or waiting, never two
    finally:
        await ground.close()


async def test_case_4_one_id_with_two_bodies(ground: Ground) -> None:
    """Caught: the body's hash left out of what is remembered."""
    told = DECISIONS.labels("journey", Verdict.REJECTED, Reason.ID_REUSED)
    before = told._value.get()
    async with posting(ground) as client:
        for name in ("Signed Up", "Product Added"):
            answer = await client.post("/v1/track", json=call(event=name))
            assert answer.status_code == 200  # ingest keeps nothing: what it means is decided where ids are kept

    async def rejected() -> bool:
        return told._value.get() == before + 1

    async with working(workshop(ground.db, ground.stream)):
        await eventually(rejected)
    assert await rows(ground.db, "SELECT journey FROM enrolment") == [("welcome",)]
    assert await counted(ground, "seen_id") == 1


async def test_case_6_a_batch_with_bad_items_and_the_whole_of_it_again(ground: Ground) -> None:
    """Caught: bad items counted as accepted; items of a repeated batch named anew."""
    bad = {7: {"userId": None}, 250: {"event": None}, 499: {"timestamp": "yesterday"}}
    batch = [call(userId=f"u{n}", messageId=f"m{n}") | bad.get(n, {}) for n in range(500)]
    async with posting(ground) as client:
        for _ in range(2):
            said = (await client.post("/v1/batch", json={"batch": batch})).raise_for_status().json()
            assert (said["accepted"], [one["index"] for one in said["rejected"]]) == (497, sorted(bad))
            assert all(one["code"] and one["message"] for one in said["rejected"])
    await handled(ground, 497)
    assert await counted(ground, "enrolment") == 497


async def test_case_7_one_id_from_two_workspaces(ground: Ground) -> None:
    """Caught: ids remembered without their workspace."""
    async with ground.db.transaction() as conn:
        other, _ = await create_key(ground.db, conn, "other", KeyKind.SERVER)
    async with posting(ground) as client:
        for key in (WRITE, other):
            bearer = {"Authorization": f"Bearer {key}"}
            (await client.post("/v1/track", json=call(), headers=bearer)).raise_for_status()
    await handled(ground, 2)
    assert sorted(await rows(ground.db, "SELECT workspace FROM profile")) == [("default",), ("other",)]
    assert await counted(ground, "enrolment") == 2


async def test_case_17_a_time_far_ahead_in_1970_or_missing(ground: Ground) -> None:
    """Caught: moments of clients believed as they are; old events that enter."""
    given: dict[str, Any] = {
        "ahead": (datetime.now(UTC) + timedelta(days=3650)).isoformat(),
        "past": "1970-01-01T00:00:00Z",
        "missing": None,
    }
    posted_at = datetime.now(UTC)
    async with posting(ground) as client:
        for user, at in given.items():
            event = call(event="Product Added", userId=user, messageId=user, timestamp=at)
            event["properties"] = {"cart_id": "c1", "cart_value": 50_000}
            (await client.post("/v1/track", json=event)).raise_for_status()
    await handled(ground, 3)
    inside = await rows(
        ground.db, "SELECT i.value FROM enrolment e JOIN identity i ON i.profile = e.profile AND i.kind = 'user'"
    )
    assert sorted(inside) == [("ahead",), ("missing",)]
    for (wake,) in await rows(ground.db, "SELECT wake_at FROM profile WHERE wake_at IS NOT NULL"):
        due = datetime.fromisoformat(wake) if isinstance(wake, str) else wake
        assert timedelta(hours=23, minutes=59) < due - posted_at < timedelta(hours=24, minutes=1)
