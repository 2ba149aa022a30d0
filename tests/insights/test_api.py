"""Asking: why, and the lists behind it."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from dangol.decisions import Entry, Reason, Verdict
from dangol.definitions import publish
from dangol.documents import Document
from dangol.events import Kind
from dangol.keys import KeyKind
from dangol.service import House, Service
from dangol.stream import Outgoing
from dangol.topics import Topic
from tests.support.house import WRITE, key_of
from tests.support.records import NOON, decision, event, tell_and_wait

DOCUMENTS = [
    Document("workspace", "default", {"workspace": "default", "zone": "Asia/Seoul"}),
    Document("journey", "welcome", {"journey": "welcome", "enter": {"event": "Signed Up"}, "steps": []}),
    Document("journey", "vip", {"journey": "vip", "enter": {"event": "Order Completed"}, "steps": []}),
]
NOT_VIP = Entry(journey="vip", version=1, entered=False, reason=Reason.WHERE_NOT_MET, details={"where": "event.x > 1"})
WELCOME = Entry(journey="welcome", version=1, entered=True, reason=Reason.MATCHED, enrolment="e1")
CONSIDERED = decision(Verdict.CONSIDERED, "matched", input="i1", input_name="Signed Up", entries=(WELCOME, NOT_VIP))
HELD = decision(
    Verdict.HELD,
    Reason.QUIET_HOURS,
    at=NOON + timedelta(minutes=1),
    by="dispatcher",
    journey="welcome",
    step="mail",
    channel="email",
    message="msg-1",
    details={"until": "2026-11-22T23:00:00+00:00"},
)


async def asked(client: httpx2.AsyncClient, path: str = "/api/why", **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def published(house: House) -> None:
    await publish(house.db, "default", DOCUMENTS, by="test")


async def test_why_tells_what_was_decided_in_order(
    house: House, insights: Service, client: httpx2.AsyncClient, published: None
) -> None:
    await tell_and_wait(house, insights, HELD, CONSIDERED, event())
    said = await asked(client, user_id="u1", lang="en")
    assert (said["zone"], said["profiles"], said["summary"]) == ("Asia/Seoul", ["p1"], "")
    assert [(line["verdict"], line["reason"]) for line in said["timeline"]] == [
        ("entered", "matched"),
        ("not_entered", "where_not_met"),
        ("held", "quiet_hours"),
    ]
    assert said["timeline"][2]["local_at"] == "2026-11-22T21:01:00+09:00"
    assert "23 Nov 08:00" in said["timeline"][2]["text"]
    korean = await asked(client, user_id="u1", journey="welcome", lang="ko")
    assert [line["journey"] for line in korean["timeline"]] == ["welcome", "welcome"]
    assert "11월 23일 08:00까지" in korean["timeline"][1]["text"]


async def test_why_says_why_somebody_never_entered(
    house: House, insights: Service, client: httpx2.AsyncClient, published: None
) -> None:
    nobody = await asked(client, user_id="nobody", journey="vip")
    assert nobody["timeline"] == []
    assert "Nothing is on record about nobody" in nobody["summary"]
    await tell_and_wait(house, insights, event())
    assert "no journey begins with any of them: Signed Up" in (await asked(client, user_id="u1"))["summary"]
    never = await asked(client, user_id="u1", journey="vip")
    assert "it begins with “Order Completed”" in never["summary"]
    assert "decided nothing" in (await asked(client, user_id="u1", journey="welcome"))["summary"]


async def test_why_does_not_know_every_journey(
    house: House, insights: Service, client: httpx2.AsyncClient, published: None
) -> None:
    answer = await client.get("/api/why", params={"user_id": "u1", "journey": "welcom"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_journey")
    assert "welcome" in answer.json()["hint"]
    assert (await client.get("/api/why")).status_code == 400


async def test_the_persons_zone_goes_first(
    house: House, insights: Service, client: httpx2.AsyncClient, published: None
) -> None:
    identify = event("Identified", kind=Kind.IDENTIFY, traits={"timezone": "America/New_York"})
    await tell_and_wait(house, insights, identify, HELD)
    said = await asked(client, user_id="u1")
    assert said["zone"] == "America/New_York"
    assert "22 Nov 18:00" in said["timeline"][0]["text"]


async def test_what_was_decided_of_a_persons_other_ids_is_theirs(
    house: House, insights: Service, client: httpx2.AsyncClient
) -> None:
    before = decision(Verdict.FINISHED, "end", user_id=None, anonymous_id="a1", journey="browse")
    await tell_and_wait(house, insights, before, HELD)
    assert [line["journey"] for line in (await asked(client, user_id="u1"))["timeline"]] == ["browse", "welcome"]


async def test_a_repeat_is_kept_once(house: House, insights: Service, client: httpx2.AsyncClient) -> None:
    await tell_and_wait(house, insights, HELD, event(), HELD, event())
    assert len((await asked(client, "/api/decisions"))["decisions"]) == 1
    assert len((await asked(client, "/api/events"))["events"]) == 1


async def test_lists_are_filtered_and_paged(house: House, insights: Service, client: httpx2.AsyncClient) -> None:
    many = [event(f"E{n}", at=NOON + timedelta(minutes=n)) for n in range(5)]
    await tell_and_wait(house, insights, *many, event(user_id="u2", id="other"), HELD, CONSIDERED)
    newest = await asked(client, "/api/events", user_id="u1", limit=2)
    assert [one["name"] for one in newest["events"]] == ["E4", "E3"]
    first = await asked(client, "/api/events", user_id="u1", after=0, limit=3)
    rest = await asked(client, "/api/events", user_id="u1", after=first["next"])
    assert [one["name"] for one in first["events"] + rest["events"]] == ["E0", "E1", "E2", "E3", "E4"]
    for query in ({"verdict": "held"}, {"reason": "quiet_hours"}, {"journey": "welcome"}, {"message": "msg-1"}):
        assert [one["id"] for one in (await asked(client, "/api/decisions", **query))["decisions"]] == [HELD.id]
    found = await asked(client, "/api/decisions", input="i1")
    assert found["decisions"][0]["entries"][1]["reason"] == "where_not_met"
    since = await asked(client, "/api/events", since=(NOON + timedelta(minutes=4)).isoformat())
    assert [one["name"] for one in since["events"]] == ["E4"]


async def test_rejects_are_told_flat(house: House, insights: Service, client: httpx2.AsyncClient) -> None:
    details = {"code": "no_event_name", "message": "a track call names its event", "item": "{}"}
    rejected = decision(Verdict.REJECTED, "invalid: no_event_name", by="ingest", input="m1", details=details)
    await tell_and_wait(house, insights, rejected, HELD)
    (reject,) = (await asked(client, "/api/rejects"))["rejects"]
    assert (reject["id"], reject["code"], reject["user_id"]) == ("m1", "no_event_name", "u1")
    text = (await asked(client, user_id="u1", lang="en"))["timeline"][0]["text"]
    assert text == "What was posted was rejected: a track call names its event."


@pytest.mark.parametrize("path", ["/api/why?user_id=u1", "/api/decisions", "/api/events", "/api/rejects", "/api/tail"])
async def test_a_secret_key_of_the_workspace_is_needed(
    house: House, insights: Service, client: httpx2.AsyncClient, path: str
) -> None:
    await tell_and_wait(house, insights, HELD, event())
    assert (await client.get(path, headers={"Authorization": f"Bearer {WRITE}"})).status_code == 403
    assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
    if path != "/api/tail":
        other, _ = await key_of(house, KeyKind.SECRET, workspace="other")
        answer = await client.get(path, headers={"Authorization": f"Bearer {other}"})
        assert "msg-1" not in answer.text
        assert "Signed Up" not in answer.text


async def test_what_is_no_record_is_skipped(house: House, insights: Service, client: httpx2.AsyncClient) -> None:
    await house.stream.append([Outgoing(Topic.EVENTS, "k", b"nonsense", "n")])
    await tell_and_wait(house, insights, event())
    assert len((await asked(client, "/api/events"))["events"]) == 1


async def test_a_person_can_be_forgotten(house: House, insights: Service, client: httpx2.AsyncClient) -> None:
    await tell_and_wait(house, insights, HELD, event(), event(user_id="u2", id="other"))
    answer = await client.delete("/api/archive", params={"user_id": "u1"})
    assert answer.json() == {"events": 1, "decisions": 1}
    assert "u1" not in (await client.get("/api/events")).text + (await client.get("/api/decisions")).text
