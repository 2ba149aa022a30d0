"""The routes of journey, with the real language and machine: publish, look, erase, and play again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dangol.keys import KeyKind
from dangol.messages import Message
from dangol.service import House, Service
from dangol_journey.main import open_service
from tests.support.house import SECRET, app_of, at_work, client_of, key_of, open_house
from tests.support.workshops import did, record_of, rows, spoken

WELCOME: dict[str, Any] = {
    "kind": "journey",
    "name": "welcome",
    "body": {"journey": "welcome", "enter": {"event": "Signed Up"}, "steps": [{"send": "welcome", "by": "email"}]},
}
TEMPLATE: dict[str, Any] = {
    "kind": "template",
    "name": "welcome",
    "body": {"template": "welcome", "category": "marketing", "email": {"subject": "hi", "html": "<p>hi</p>"}},
}
WORKSPACE: dict[str, Any] = {
    "kind": "workspace",
    "name": "workspace",
    "body": {
        "workspace": "default",
        "zone": "Asia/Seoul",
        "locale": "ko",
        "sender": {"name": "s", "email": "a@shop.example"},
    },
}
SET = [WORKSPACE, TEMPLATE, WELCOME]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def service(house: House) -> AsyncIterator[Service]:
    """Journey at work."""
    async with at_work(open_service(house)) as opened:
        yield opened


@pytest.fixture
async def client(house: House, service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app_of(house, service.router), SECRET) as opened:
        yield opened


async def publish(
    client: httpx2.AsyncClient, *documents: dict[str, Any], status: int = 200, **more: Any
) -> dict[str, Any]:
    answer = await client.post("/api/definitions", json={"documents": list(documents), **more})
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def happens(house: House, service: Service, *events: Any) -> None:
    """Events in the log, and all they lead to done."""
    await house.stream.append([record_of(event) for event in events])
    async with asyncio.timeout(20):
        while not await service.idle(datetime.now(UTC) - timedelta(milliseconds=1)):  # noqa: ASYNC110 - idle has no event
            await asyncio.sleep(0.01)


class TestDefinitions:
    async def test_what_is_published_is_in_force_at_once(
        self, house: House, service: Service, client: httpx2.AsyncClient
    ) -> None:
        said = await publish(client, *SET)
        assert said["published"]
        assert said["number"] == 1
        assert [problem for problem in said["problems"] if problem["severity"] == "error"] == []
        assert sorted(said["changed"]) == ["+ journey welcome", "+ template welcome", "+ workspace workspace"]
        await happens(house, service, did("Signed Up"))
        sent = [one for one in await spoken(house.db) if isinstance(one, Message)]
        assert [one.template for one in sent] == ["welcome"]

    async def test_the_same_set_again_changes_nothing(self, client: httpx2.AsyncClient) -> None:
        await publish(client, *SET)
        said = await publish(client, *SET)
        assert (said["number"], said["changed"]) == (1, [])

    async def test_a_dry_run_says_what_would_change(self, client: httpx2.AsyncClient) -> None:
        said = await publish(client, *SET, dry_run=True)
        assert not said["published"]
        assert "+ journey welcome" in said["changed"]
        assert (await client.get("/api/definitions")).json() == {"number": 0, "documents": []}

    async def test_a_set_with_an_error_is_not_published(self, client: httpx2.AsyncClient) -> None:
        said = await publish(client, WORKSPACE, WELCOME, status=422)
        assert said["code"] == "invalid_definitions"
        assert not said["published"]
        (problem,) = [one for one in said["problems"] if one["severity"] == "error"]
        assert {"file", "line", "column", "code", "message", "hint"} <= problem.keys()
        assert "welcome" in problem["message"]

    async def test_a_stale_base_is_refused(self, client: httpx2.AsyncClient) -> None:
        await publish(client, *SET)
        answer = await client.post("/api/definitions", json={"documents": [WORKSPACE], "base": 0})
        assert answer.status_code == 400
        assert answer.json()["code"] == "stale_base"

    async def test_a_removed_journey_is_told_and_those_inside_finish_on_theirs(
        self, house: House, service: Service, client: httpx2.AsyncClient
    ) -> None:
        wait = {"wait": "30d"}
        slow = {**WELCOME, "body": {**WELCOME["body"], "steps": [wait, *WELCOME["body"]["steps"]]}}
        await publish(client, WORKSPACE, TEMPLATE, slow)
        await happens(house, service, did("Signed Up"))
        said = await publish(client, WORKSPACE, TEMPLATE)
        assert said["changed"] == ["- journey welcome"]
        await happens(house, service, did("Page Viewed"))
        (gone,) = (await client.get("/api/journeys")).json()["journeys"]
        assert (gone["journey"], gone["published"], gone["live"]) == ("welcome", False, 1)

    async def test_journeys_are_counted_by_state(
        self, house: House, service: Service, client: httpx2.AsyncClient
    ) -> None:
        await publish(client, *SET)
        await happens(house, service, did("Signed Up", user="u1"), did("Signed Up", user="u2"))
        (journey,) = (await client.get("/api/journeys")).json()["journeys"]
        assert (journey["journey"], journey["live"], journey["states"]) == ("welcome", 2, {"welcome": 2})
        one = (await client.get("/api/journeys/welcome")).json()
        assert one["document"]["body"] == WELCOME["body"]
        assert (await client.get("/api/journeys/none")).status_code == 404


class TestProfiles:
    async def test_a_person_is_found_by_any_id_and_by_email(
        self, house: House, service: Service, client: httpx2.AsyncClient
    ) -> None:
        await publish(client, *SET)
        await happens(house, service, did("Signed Up", anonymous_id="a1", traits={"email": "a@example.test"}))
        for asked in ({"user_id": "u1"}, {"anonymous_id": "a1"}, {"email": "a@example.test"}):
            (found,) = (await client.get("/api/profiles", params=asked)).json()["profiles"]
            assert found["user_id"] == "u1"
        assert found["traits"]["email"] == "a@example.test"
        assert [one["journey"] for one in found["enrolments"]] == ["welcome"]
        assert {"kind": "user", "value": "u1"} in found["identities"]
        assert (await client.get("/api/profiles", params={"user_id": "nobody"})).json() == {"profiles": []}
        assert (await client.get("/api/profiles")).status_code == 400

    async def test_erased_means_gone(self, house: House, service: Service, client: httpx2.AsyncClient) -> None:
        await happens(house, service, did("Signed Up"))
        (found,) = (await client.get("/api/profiles", params={"user_id": "u1"})).json()["profiles"]
        assert (await client.delete(f"/api/profiles/{found['id']}")).json() == {"erased": found["id"]}
        assert (await client.get(f"/api/profiles/{found['id']}")).status_code == 404
        assert (await client.delete(f"/api/profiles/{found['id']}")).status_code == 404

    async def test_another_workspaces_key_sees_nothing(
        self, house: House, service: Service, client: httpx2.AsyncClient
    ) -> None:
        await publish(client, *SET)
        await happens(house, service, did("Signed Up"))
        (found,) = (await client.get("/api/profiles", params={"user_id": "u1"})).json()["profiles"]
        token, _ = await key_of(house, KeyKind.SECRET, workspace="other")
        async with client_of(app_of(house, service.router), token) as other:
            assert (await other.get("/api/profiles", params={"user_id": "u1"})).json() == {"profiles": []}
            assert (await other.get(f"/api/profiles/{found['id']}")).status_code == 404
            assert (await other.delete(f"/api/profiles/{found['id']}")).status_code == 404
            assert (await other.get("/api/definitions")).json()["documents"] == []
            assert (await other.get("/api/journeys")).json() == {"journeys": []}
        assert (await rows(house.db, "SELECT count(*) FROM profile")) == [(1,)]


async def test_what_was_set_aside_is_listed_and_played_again(
    house: House, service: Service, client: httpx2.AsyncClient
) -> None:
    from dangol.stream import Outgoing
    from dangol.topics import Topic

    await house.stream.append([Outgoing(Topic.EVENTS, "default/u1", b"{nonsense", "x")])
    await happens(house, service, did("Signed Up"))
    (one,) = (await client.get("/api/set-aside")).json()["set_aside"]
    assert one["kind"] == "record"
    answer = await client.post(f"/api/set-aside/{one['id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_record")
    assert (await client.post("/api/set-aside/none/replay")).status_code == 404


async def test_without_a_secret_key_nothing_is_told(house: House, service: Service) -> None:
    async with client_of(app_of(house, service.router)) as nobody:
        for path in ("/api/definitions", "/api/journeys", "/api/profiles?user_id=u1", "/api/set-aside"):
            assert (await nobody.get(path)).status_code == 401, path


async def test_the_next_moment_is_known_and_it_is_ready(
    house: House, service: Service, client: httpx2.AsyncClient
) -> None:
    await publish(client, *SET)
    assert await service.next_due() is None
    await happens(house, service, did("Signed Up"))
    due = await service.next_due()
    assert due is not None
    assert due > datetime.now(UTC)
    assert await service.ready() is None
    assert service.stuck() is None
