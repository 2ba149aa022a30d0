"""What is posted while ingest, its log or its disk fail: accepted and there, or told to come again."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dangol.decisions import Reason, Verdict
from dangol.keys import KeyKind, create_key
from dangol.metrics import DECISIONS
from dangol.settings import Settings
from dangol_journey.batch import Workshop
from tests.contract.conftest import Ground, open_ground
from tests.contract.test_journey_worker import counted
from tests.contract.test_stream import read_until, reading
from tests.faults.conftest import Broker
from tests.support.house import WRITE
from tests.support.ingesting import ingest_on
from tests.support.journeys import coupon, definitions, journey
from tests.support.posts import call
from tests.support.product import free_port
from tests.support.wire import wire
from tests.support.working import eventually, working
from tests.support.workshops import rows, workshop

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def posting(ground: Ground) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an ingest on the ground, which a journey worker reads."""
    async with ingest_on(ground.settings, ground.db, ground.stream) as client:
        yield client


async def handled(ground: Ground, events: int) -> None:
    """Let a worker read until so many ids are remembered and nothing is left."""
    await _read_all(workshop(ground.db, ground.stream), ground, events)


async def entered_each_time(ground: Ground, name: str, events: int) -> None:
    """As `handled`, with a journey that each event of this name enters anew, and is through with at once."""
    every = journey("every", name, coupon("gift"), again=timedelta(0))
    await _read_all(workshop(ground.db, ground.stream, definitions(every)), ground, events)
    assert await counted(ground, "enrolment") == events


async def _read_all(shop: Workshop, ground: Ground, events: int) -> None:
    async def all_read() -> bool:
        return await counted(ground, "seen_id") == events and await worker.idle(asked_at)

    asked_at = datetime.now(UTC)
    async with working(shop) as worker:
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
    """Caught: an answer given before the append; the client's id not taken."""
    before = await open_ground(settings)
    await before.close()
    assert await asyncio.to_thread(dies, settings, when)
    ground = await open_ground(settings)
    try:
        if when == "after":
            await entered_each_time(ground, "Signed Up", 1)  # it was durable, though nobody was told
        async with posting(ground) as client:
            answer = await client.post("/v1/track", json=call())
        assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "rejected": []})
        await entered_each_time(ground, "Signed Up", 1)
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
        return bool(told._value.get() == before + 1)

    async with working(workshop(ground.db, ground.stream)):
        await eventually(rejected)
    assert await rows(ground.db, "SELECT journey FROM enrolment") == [("welcome",)]
    assert await counted(ground, "seen_id") == 1


async def test_case_6_a_batch_with_bad_items_and_the_whole_of_it_again(ground: Ground) -> None:
    """Caught: items of a repeated batch named anew."""
    bad: dict[int, dict[str, Any]] = {7: {"userId": None}, 250: {"event": None}, 499: {"timestamp": "yesterday"}}
    batch = [call(**{"userId": f"u{n}", "messageId": f"m{n}", **bad.get(n, {})}) for n in range(500)]
    async with posting(ground) as client:
        for _ in range(2):
            said = (await client.post("/v1/batch", json={"batch": batch})).raise_for_status().json()
            assert (said["accepted"], [one["index"] for one in said["rejected"]]) == (497, sorted(bad))
            assert all(one["code"] and one["message"] for one in said["rejected"])
    await entered_each_time(ground, "Signed Up", 497)


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
    """Caught: moments of clients believed, by ingest and by journey; an entry's lateness and the memory of ids both not
    asked."""
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


@pytest.mark.kafka
async def test_case_8_the_broker_is_away_or_stands_still(broker: Broker, tmp_path: Path, topic_prefix: str) -> None:
    """Caught: no deadline, neither the flusher's nor the writer's (one of them is enough)."""
    ground = await open_ground(broker.settings(tmp_path, topic_prefix))
    away = [(broker.server.kill, broker.server.start), (broker.server.pause, broker.server.resume)]
    try:
        async with posting(ground) as client:
            assert (await client.post("/v1/track", json=call(messageId="first"))).status_code == 200
            for n, (go, come) in enumerate(away):
                await asyncio.to_thread(go)
                for _ in range(2):
                    await _told_to_come_again(client, f"while-{n}")
                await asyncio.to_thread(come)
                await _accepted(client, f"while-{n}")
        await entered_each_time(ground, "Signed Up", 3)
    finally:
        await ground.close()


async def _told_to_come_again(client: httpx2.AsyncClient, id: str) -> None:
    began = time.monotonic()
    answer = await client.post("/v1/track", json=call(messageId=id))
    assert time.monotonic() - began < 2.2
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 2


async def _accepted(client: httpx2.AsyncClient, id: str) -> None:
    """Posted until it is."""
    async with asyncio.timeout(60):
        while (await client.post("/v1/track", json=call(messageId=id))).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.mark.kafka
async def test_case_9_the_broker_has_it_and_its_answer_does_not_come(
    broker: Broker, tmp_path: Path, topic_prefix: str
) -> None:
    """Caught: the client's id not taken."""
    if not broker.wired:
        pytest.skip("the broker is in a container: there is no wire to it")
    async with wire(broker.wired, "127.0.0.1", broker.behind) as to_broker:
        ground = await open_ground(broker.settings(tmp_path, topic_prefix, wired=True))
        try:
            async with posting(ground) as client:
                assert (await client.post("/v1/track", json=call(messageId="first"))).status_code == 200
                to_broker.hold()
                await _told_to_come_again(client, "unheard")
                to_broker.release()
                await _accepted(client, "unheard")
            async with reading(ground) as reader:
                assert len(await read_until(reader, 3)) == 3  # it is in the log twice
            await entered_each_time(ground, "Signed Up", 2)
        finally:
            await ground.close()


async def test_case_16_one_workspace_floods_and_another_is_admitted(ground: Ground) -> None:
    """Caught: one bucket for all workspaces."""
    async with ground.db.transaction() as conn:
        other, _ = await create_key(ground.db, conn, "other", KeyKind.SERVER)
    settings, turns = replace(ground.settings, ingest_rate=5), asyncio.Semaphore(8)
    async with ingest_on(settings, ground.db, ground.stream) as client:

        async def post(key: str, id: str) -> tuple[str, int]:
            headers = {"Authorization": f"Bearer {key}"}
            async with turns:
                return key, (await client.post("/v1/track", json=call(messageId=id), headers=headers)).status_code

        flood = [post(WRITE, f"f{n}") for n in range(400)]
        modest = [post(other, f"m{n}") for n in range(8)]
        said = await asyncio.gather(*(one for both in batched_evenly(flood, modest) for one in both))
    assert said.count((WRITE, 429)) > 200
    assert said.count((other, 200)) == 8


def batched_evenly(many: list[Any], few: list[Any]) -> Iterator[list[Any]]:
    """Fifty of the many, one of the few, and so on."""
    share = len(many) // len(few)
    for n, one in enumerate(few):
        yield [*many[n * share : (n + 1) * share], one]
