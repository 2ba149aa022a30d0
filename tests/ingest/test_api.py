"""Posting: every route, every place for a key, and what is answered."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from dangol.decisions import Verdict
from dangol.errors import Unavailable
from dangol.events import Kind, Origin
from dangol.keys import KeyKind
from dangol.service import House
from dangol.stream import Outgoing
from dangol_ingest.api import make_router
from dangol_ingest.browser import Pages
from dangol_ingest.intake import Intake
from dangol_ingest.main import open_service
from tests.support.house import SECRET, WRITE, app_of, client_of, decisions_of, events_of, key_of
from tests.support.posts import call, posted

AUTH = (WRITE, "")
BATCHES = ["/v1/batch", "/v1/b", "/v1/import"]
SINGLES = {
    "/v1/track": Kind.TRACK,
    "/v1/t": Kind.TRACK,
    "/v1/identify": Kind.IDENTIFY,
    "/v1/i": Kind.IDENTIFY,
    "/v1/page": Kind.PAGE,
    "/v1/p": Kind.PAGE,
    "/v1/screen": Kind.SCREEN,
    "/v1/s": Kind.SCREEN,
    "/v1/group": Kind.GROUP,
    "/v1/g": Kind.GROUP,
    "/v1/alias": Kind.ALIAS,
    "/v1/a": Kind.ALIAS,
}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", BATCHES)
async def test_batches(client: httpx2.AsyncClient, house: House, path: str, slash: str) -> None:
    answer = await client.post(path + slash, json={"batch": [call(), call(messageId="m2")]}, auth=AUTH)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 2, "rejected": []})
    assert [event.id for event in await events_of(house.stream)] == ["m1", "m2"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", SINGLES)
async def test_single_calls(client: httpx2.AsyncClient, house: House, path: str, slash: str) -> None:
    body = {"userId": "u1", "previousId": "a1", "event": "E", "groupId": "g"}
    answer = await client.post(path + slash, json=body, auth=AUTH)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "rejected": []})
    (event,) = await events_of(house.stream)
    assert event.kind is SINGLES[path]


async def keyed(client: httpx2.AsyncClient, path: str = "/v1/batch", **how: Any) -> int:
    """The status of a good batch with its key somewhere."""
    body = {"batch": [call()]} | how.pop("body", {})
    return (await client.post(path, json=body, **how)).status_code


async def test_the_key_may_be_in_many_places(client: httpx2.AsyncClient) -> None:
    assert await keyed(client, auth=AUTH) == 200
    assert await keyed(client, headers={"X-Write-Key": WRITE}) == 200
    assert await keyed(client, headers={"Authorization": f"Bearer {WRITE}"}) == 200
    assert await keyed(client, body={"writeKey": WRITE}) == 200
    assert await keyed(client, body={"api_key": WRITE}) == 200
    assert await keyed(client, "/beacon/v1/batch", params={"writeKey": WRITE}) == 200
    single = await client.post("/v1/track", json=call(writeKey=WRITE))
    assert single.status_code == 200


async def test_a_key_in_the_query_is_for_beacons_only(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/batch", params={"writeKey": WRITE}, json={"batch": [call()]})
    assert answer.status_code == 401
    assert answer.json()["code"] == "no_key"
    assert "beacon" in answer.json()["hint"]


@pytest.mark.parametrize("authorization", ["Basic !!!", "Basic d3Jvbmc6", "Bearer wrong", "Bearer ", "nonsense"])
async def test_a_wrong_key_is_401(client: httpx2.AsyncClient, house: House, authorization: str) -> None:
    answer = await client.post("/v1/track", json=call(), headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json()["code"] in ("no_key", "unknown_key")
    assert answer.json()["message"]
    assert await events_of(house.stream) == []


async def test_the_kind_of_key_is_the_origin(client: httpx2.AsyncClient, house: House) -> None:
    browser, _ = await key_of(house, KeyKind.BROWSER)
    reading, _ = await key_of(house, KeyKind.SECRET, scopes=["messages:read"])
    for key in (browser, WRITE, SECRET):
        assert await keyed(client, auth=(key, "")) == 200
    assert [event.origin for event in await events_of(house.stream)] == [Origin.BROWSER, Origin.SERVER, Origin.SECRET]
    assert await keyed(client, auth=(reading, "")) == 403


async def test_a_workspaces_key_writes_into_its_workspace(client: httpx2.AsyncClient, house: House) -> None:
    key, _ = await key_of(house, KeyKind.SERVER, workspace="other")
    await client.post("/v1/track", json=call(workspace="default"), auth=(key, ""))
    assert [event.workspace for event in await events_of(house.stream)] == ["other"]


async def test_bad_items_are_rejected_each_with_its_reason_and_found_as_decisions(
    client: httpx2.AsyncClient, house: House
) -> None:
    body = posted(call(), call(messageId="m2", userId=None), call(messageId="m3", event=None))
    answer = await client.post("/v1/batch", content=body, auth=AUTH)
    said = answer.json()
    assert (answer.status_code, said["success"], said["accepted"]) == (200, True, 1)
    assert [(one["index"], one["id"], one["code"]) for one in said["rejected"]] == [
        (1, "m2", "no_person"),
        (2, "m3", "no_event_name"),
    ]
    assert all(one["message"] and one["hint"] for one in said["rejected"])
    await client.post("/v1/batch", content=body, auth=AUTH)  # the client tries again
    first, second, *again = await decisions_of(house.stream)
    assert (first.verdict, first.by, first.reason) == (Verdict.REJECTED, "ingest", "invalid: no_person")
    assert (second.user_id, second.input, second.details["code"]) == ("u1", "m3", "no_event_name")
    assert [one.id for one in again] == [first.id, second.id]


async def test_a_batch_of_bad_items_alone_is_still_a_batch(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/batch", json={"batch": [call(userId=None)]}, auth=AUTH)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 0)


@pytest.mark.parametrize(
    "item", ['{"x": NaN}', '{"x": 1e400}', '{"x": "\\u0000"}', '{"x": "\\ud800"}', '{"x": "' + "\udcff" + '"}']
)
async def test_unreadable_text_is_400_with_its_item(client: httpx2.AsyncClient, item: str) -> None:
    body = f'{{"batch": [{{"type": "track", "userId": "u", "event": "E", "properties": {item}}}]}}'
    answer = await client.post("/v1/batch", content=body.encode(errors="surrogateescape"), auth=AUTH)
    said = answer.json()
    assert (answer.status_code, said["item"]) == (400, 0)
    assert said["code"]
    assert said["message"]


async def test_a_single_bad_call_is_an_error(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/track", json=call(userId=None), auth=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_person")
    answer = await client.post("/v1/track", json=call(properties={"x": "y" * 40_000}), auth=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (413, "event_too_large")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"[" * 100_000, 400),
        (b" " * 600_000, 413),
        (gzip.compress(b"0" * 10_000_000), 413),
        (b"\x1f\x8bnonsense", 400),
    ],
)
async def test_a_bad_body_is_refused_with_code_and_message(
    client: httpx2.AsyncClient, content: bytes, status: int
) -> None:
    answer = await client.post("/v1/batch", content=content, auth=AUTH)
    assert answer.status_code == status
    assert answer.json()["code"]
    assert answer.json()["message"]


@pytest.mark.parametrize("said", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("packed", [False, True])
async def test_the_content_type_is_not_believed(client: httpx2.AsyncClient, said: str, packed: bool) -> None:
    body = gzip.compress(posted(call())) if packed else posted(call())
    answer = await client.post("/v1/batch", content=body, headers={"Content-Type": said}, auth=AUTH)
    assert answer.json() == {"success": True, "accepted": 1, "rejected": []}


async def test_pages_of_any_origin_may_post(client: httpx2.AsyncClient) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,anonymousid,x-retry-count",
    }
    for path in ("/v1/t", "/v1/batch/", "/sourceConfig/", f"/v1/projects/{WRITE}/settings"):
        preflight = await client.options(path, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
        assert preflight.headers["access-control-allow-headers"] == asked["Access-Control-Request-Headers"]
        assert int(preflight.headers["access-control-max-age"]) > 3600
        assert "access-control-allow-credentials" not in preflight.headers
    for body in (call(), call(userId=None)):
        answer = await client.post("/v1/t", json=body, auth=AUTH, headers={"Origin": "https://shop.example"})
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_cloudevents_are_taken(client: httpx2.AsyncClient, house: House) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "Order Completed"}
    headers |= {"ce-subject": "%ED%99%8D", "Content-Type": "application/json", "X-Write-Key": WRITE}
    answer = await client.post("/v1/events", json={"revenue": 1}, headers=headers)
    assert answer.json()["accepted"] == 1
    assert (await events_of(house.stream))[0].user_id == "홍"


async def test_over_its_rate_a_workspace_is_asked_to_wait(house: House) -> None:
    slow = replace(house, settings=replace(house.settings, ingest_rate=1))
    async with open_service(slow) as ingest, client_of(app_of(slow, ingest.router)) as client:
        answers = [await client.post("/v1/track", json=call(), auth=AUTH) for _ in range(4)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        assert answers[-1].status_code == 429
        assert answers[-1].json()["code"] == "too_many_events"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
        unread = await client.post("/v1/track", content=b"{", auth=AUTH)
        assert unread.status_code == 429  # before the work of reading it
        other, _ = await key_of(house, KeyKind.SERVER, workspace="other")
        assert (await client.post("/v1/track", json=call(), auth=(other, ""))).status_code == 200


async def deaf(_outgoing: Sequence[Outgoing]) -> None:
    """A log that cannot take anything now."""
    raise Unavailable("the log did not answer in time")


async def test_what_is_not_durable_is_503(house: House) -> None:
    router = make_router(Intake(deaf, house.clock, 0), Pages(""))
    async with client_of(app_of(house, router)) as client:
        answer = await client.post("/v1/track", json=call(), auth=AUTH)
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert answer.json()["code"] == "unavailable"
    assert "success" in answer.json()


async def test_jitsus_routes(client: httpx2.AsyncClient, house: House) -> None:
    body = {"type": "track", "event": "Signed Up", "userId": None, "anonymousId": "a1", "writeKey": "***"}
    answer = await client.post("/api/s/track", json=body, headers={"X-Write-Key": WRITE})
    assert answer.json()["accepted"] == 1
    assert (await events_of(house.stream))[0].anonymous_id == "a1"


async def test_an_unknown_call_is_404_with_what_there_is(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/tracks", "/api/s/batch"):
        answer = await client.post(path, json={}, auth=AUTH)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "track" in answer.json()["hint"]


async def test_keys_are_not_kept_with_what_was_rejected(client: httpx2.AsyncClient, house: House) -> None:
    await client.post("/v1/track", content=json.dumps({"writeKey": WRITE, "properties": []}), auth=AUTH)
    (rejected,) = await decisions_of(house.stream)
    assert "properties" in rejected.details["item"]
    assert WRITE not in str(rejected)


async def test_an_idempotency_key_names_what_brings_no_name(client: httpx2.AsyncClient, house: House) -> None:
    body = call(messageId=None)
    for key in ("k1", "k1", "k2"):
        await client.post("/v1/track", json=body, auth=AUTH, headers={"Idempotency-Key": key})
    first, again, other = await events_of(house.stream)
    assert first.id == again.id != other.id
