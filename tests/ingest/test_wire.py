"""Over a real port: bodies that never end, in pieces, and the official clients as they are."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import rudderstack.analytics as rudder
import segment.analytics as segment
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from dangol.events import Kind
from dangol.service import House
from dangol_ingest.api import make_router
from dangol_ingest.browser import Pages
from dangol_ingest.intake import Intake
from dangol_ingest.main import open_service
from tests.support.house import WRITE, app_of, events_of, served
from tests.support.posts import call, posted


@pytest.fixture
async def url(house: House) -> AsyncIterator[str]:
    async with open_service(house) as ingest, served(app_of(house, ingest.router)) as url:
        yield url


async def spoken(url: str, request: bytes) -> bytes:
    """What is answered to raw bytes, until the connection is closed or 5 s of nothing."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(request)
    await writer.drain()
    try:
        async with asyncio.timeout(5):
            return await reader.read(1 << 16)
    finally:
        writer.close()


async def test_a_body_too_large_is_refused_before_it_is_sent(url: str) -> None:
    head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\nX-Write-Key: {WRITE}\r\n\r\n".encode()
    said = await spoken(url, head)
    assert said.startswith(b"HTTP/1.1 413")
    assert b"body_too_large" in said


async def test_a_body_in_pieces_is_taken_and_stopped_at_the_limit(url: str, house: House) -> None:
    async def pieces(body: bytes, times: int) -> AsyncIterator[bytes]:
        for _ in range(times):
            yield body

    async with httpx2.AsyncClient(base_url=url, headers={"X-Write-Key": WRITE}) as client:
        body = posted(call())
        assert (await client.post("/v1/batch", content=pieces(body, 1))).status_code == 200
        answer = await client.post("/v1/batch", content=pieces(b" " * 65_536, 9))
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert len(await events_of(house.stream)) == 1


async def test_a_body_that_does_not_come_is_given_up(house: House) -> None:
    router = make_router(Intake(house.stream.append, house.clock, rate=0, body_within=0.2), Pages(""))
    async with served(app_of(house, router)) as url:
        head = f"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nX-Write-Key: {WRITE}\r\n\r\n{{"
        assert (await spoken(url, head.encode())).startswith(b"HTTP/1.1 408")


def _of_python(url: str) -> None:
    errors: list[Any] = []
    client = segment.Client(WRITE, host=url, gzip=True, on_error=lambda error, _items: errors.append(error))
    client.identify(42, {"email": "a@b.c"})
    client.track("u1", "Order Completed", {"revenue": 1}, timestamp=datetime(2026, 11, 1, tzinfo=UTC))
    client.alias("a1", "u1")
    client.shutdown()
    assert not errors


async def test_segment_for_python(url: str, house: House) -> None:
    await asyncio.to_thread(_of_python, url)
    identify, track, alias = await events_of(house.stream)
    assert (identify.user_id, identify.traits) == ("42", {"email": "a@b.c"})
    assert abs(track.at - datetime(2026, 11, 1, tzinfo=UTC)) < timedelta(minutes=1)
    assert track.original_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert (alias.previous_id, alias.user_id) == ("a1", "u1")


def _of_rudder(url: str) -> None:
    errors: list[Any] = []
    client = rudder.Client(WRITE, host=url, on_error=lambda error, _items: errors.append(error), max_retries=1)
    client.identify("u1", {"email": "a@b.c"})
    client.track("u1", "Signed Up", {})
    client.shutdown()
    assert not errors


async def test_rudder_for_python_keeps_traits_in_the_context_alone(url: str, house: House) -> None:
    await asyncio.to_thread(_of_rudder, url)
    identify, track = await events_of(house.stream)
    assert identify.traits == {"email": "a@b.c"}
    assert track.name == "Signed Up"


async def test_cloudevents_as_their_own_library_writes_them(url: str, house: House) -> None:
    said = {"type": "Order Completed", "source": "/가게", "subject": "홍길동", "specversion": "1.0"}
    one, two = (CloudEvent({**said, "id": f"e{n}"}, {"revenue": n}) for n in range(2))
    messages = (to_binary(one, JSONFormat()), to_structured(two, JSONFormat()))
    async with httpx2.AsyncClient(base_url=url, auth=(WRITE, "")) as client:
        for message in messages:
            answer = await client.post("/v1/events", content=message.body, headers=dict(message.headers))
            assert answer.status_code == 200, answer.text
    events = await events_of(house.stream)
    assert [(event.user_id, event.properties["revenue"]) for event in events] == [("홍길동", n) for n in range(2)]


async def node(clients: Path, url: str, script: str) -> None:
    """Run a script beside the official JavaScript clients; its `url` and `key` are told."""
    told = f"const url = {json.dumps(url)}, key = {json.dumps(WRITE)};\n"
    running = await asyncio.create_subprocess_exec(
        "node", "--input-type=commonjs", "-e", told + script, cwd=clients, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await running.communicate()
    assert running.returncode == 0, errors.decode()


async def test_segment_for_node(url: str, house: House, node_clients: Path) -> None:
    script = """
    const { Analytics } = require("@segment/analytics-node");
    const analytics = new Analytics({ writeKey: key, host: url });
    analytics.on("error", (error) => { console.error(error); process.exitCode = 1; });
    analytics.identify({ userId: "u1", traits: { name: "민지" } });
    analytics.page({ userId: "u1", category: "Shop", name: "Cart", properties: { url: "/cart" } });
    analytics.group({ userId: "u1", groupId: "g1", traits: { size: 3 } });
    analytics.closeAndFlush();
    """
    await node(node_clients, url, script)
    found = {event.kind: event for event in await events_of(house.stream)}
    assert found[Kind.IDENTIFY].traits == {"name": "민지"}
    assert found[Kind.PAGE].properties["name"] == "Cart"
    assert found[Kind.GROUP].properties["groupId"] == "g1"


async def test_rudder_for_node_packs_json_and_calls_it_a_form(url: str, house: House, node_clients: Path) -> None:
    script = """
    const Rudder = require("@rudderstack/rudder-sdk-node");
    const client = new Rudder(key, { dataPlaneUrl: url, gzip: true, flushAt: 5, maxQueueSize: 1000 });
    const failed = (error) => { if (error) { console.error(error); process.exitCode = 1; } };
    for (let n = 0; n < 3; n++) client.track({ userId: "u" + n, event: "Order Completed", properties: { n } }, failed);
    setTimeout(() => client.flush(failed), 200);
    """
    await node(node_clients, url, script)
    events = await events_of(house.stream)
    assert sorted(event.properties["n"] for event in events) == [0, 1, 2]
    assert all(event.original_at for event in events)


async def test_a_clients_retry_is_the_same_event(url: str, house: House) -> None:
    """What Segment's clients do after a 503: the same bytes but `sentAt`, and a count in a header."""
    async with httpx2.AsyncClient(base_url=url, auth=(WRITE, "")) as client:
        for count, sent in enumerate(("10:00:00", "10:00:07")):
            body = posted(call(timestamp="2026-11-22T09:59:00Z"), sentAt=f"2026-11-22T{sent}Z")
            headers = {"X-Retry-Count": str(count)}
            assert (await client.post("/v1/batch", content=gzip.compress(body), headers=headers)).status_code == 200
    first, again = await events_of(house.stream)
    assert (first.id, first.body_hash) == (again.id, again.body_hash)
