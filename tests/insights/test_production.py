"""Ingest and insights on Kafka and PostgreSQL: what was posted is found, once, also after a restart in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dangol.service import House
from dangol_ingest.main import open_service as open_ingest
from dangol_insights.main import open_service as open_insights
from tests.support.house import SECRET, WRITE, app_of, client_of, open_house
from tests.support.posts import call


@pytest.fixture
async def house(tmp_path: Path, postgres_url: str, kafka_url: str, topic_prefix: str) -> AsyncIterator[House]:
    async with open_house(tmp_path, db=postgres_url, log=kafka_url, topic_prefix=topic_prefix, partitions=3) as house:
        yield house


@asynccontextmanager
async def running(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """Both roles, and a client with the secret key."""
    async with open_ingest(house) as ingest, open_insights(house) as insights:
        stop = asyncio.Event()
        reading = asyncio.create_task(insights.run(stop))
        async with client_of(app_of(house, ingest.router, insights.router), SECRET) as client:
            yield client
        stop.set()
        await reading


async def found(client: httpx2.AsyncClient, path: str, name: str, count: int) -> list[Any]:
    """The rows of a list once there are so many."""
    async with asyncio.timeout(timedelta(seconds=60).total_seconds()):
        while len(rows := (await client.get(path)).json()[name]) < count:  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.1)
    return list(rows)


async def test_what_is_posted_is_archived_once(house: House) -> None:
    bad = call(messageId="bad", event=None)
    people = [call(messageId=f"m{n}", userId=f"u{n}") for n in range(20)]
    async with running(house) as client:
        for _ in range(2):  # a client's retry
            answer = await client.post("/v1/batch", json={"batch": [*people, bad]}, auth=(WRITE, ""))
            assert answer.json()["accepted"] == 20
        await found(client, "/api/events", "events", 20)
        (reject,) = await found(client, "/api/rejects", "rejects", 1)
        assert reject["code"] == "no_event_name"
    async with running(house) as client:
        await client.post("/v1/track", json=call(messageId="last", userId="u3"), auth=(WRITE, ""))
        events = await found(client, "/api/events", "events", 21)
        assert sorted(event["id"] for event in events) == sorted(["last", *(one["messageId"] for one in people)])
        assert len((await client.get("/api/rejects")).json()["rejects"]) == 1
