"""The service in a house: what journey says comes out at a gateway, and what became of it goes back to the log."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from dangol.clock import MovingClock, utc_now
from dangol.codec import encode
from dangol.consume import Batch
from dangol.decisions import Verdict
from dangol.definitions import Document, publish
from dangol.errors import Unavailable
from dangol.events import Fate
from dangol.messages import Facts, Message
from dangol.service import House
from dangol.stream import Outgoing, Record
from dangol.topics import Topic
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.main import Dispatcher, open_service
from tests.support.dispatching import WORKSPACE, a_consent, a_message, documents, some_facts
from tests.support.house import SECRET, app_of, client_of, decisions_of, events_of, open_house, until
from tests.support.listening import peer


@asynccontextmanager
async def running(
    place: Path, published: Sequence[Document], **settings: object
) -> AsyncIterator[tuple[House, Dispatcher]]:
    clock = MovingClock()
    async with open_house(place, clock, **settings) as house:
        await publish(house.db, WORKSPACE, published, by="test")
        async with open_service(house) as dispatcher:
            stop = asyncio.Event()
            task = asyncio.create_task(dispatcher.run(stop))
            try:
                yield house, dispatcher
            finally:
                stop.set()
                await task


async def say(house: House, *spoken: Facts | Message) -> None:
    await house.stream.append([Outgoing(Topic.MESSAGES, one.key, encode(one), str(n)) for n, one in enumerate(spoken)])


async def settled(house: House, dispatcher: Dispatcher) -> None:
    async with asyncio.timeout(20):
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if await dispatcher.idle(house.clock()) else 0
            await asyncio.sleep(0.005)


def without_gateways() -> list[Document]:
    return [document for document in documents() if document.kind != "gateway"]


async def test_a_message_comes_out_in_the_inbox_and_its_fate_goes_back(tmp_path: Path) -> None:
    async with running(tmp_path, without_gateways()) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(), a_message(at=utc_now()))
        await settled(house, dispatcher)
        (shown,) = (await http.get("/api/messages", params={"user_id": "u1"})).json()["messages"]
        assert (shown["status"], shown["gateway"], shown["channel"]) == ("sent", "inbox", "email")
        (event,) = await events_of(house.stream)
        assert (event.name, event.user_id, event.properties["message_id"]) == (Fate.SENT, "u1", "m1")
        (decision,) = await decisions_of(house.stream)
        assert (decision.verdict, decision.reason, decision.user_id) == (Verdict.SENT, "accepted", "u1")
        (delivery,) = (await http.get("/api/messages/m1")).json()["deliveries"]
        assert delivery["content"]["subject"].endswith("hi")
        assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["accepted"]


async def test_the_same_on_kafka_and_postgresql(
    tmp_path: Path, kafka_url: str, postgres_url: str, topic_prefix: str
) -> None:
    production = {"log": kafka_url, "db": postgres_url, "topic_prefix": topic_prefix, "partitions": 3}
    async with running(tmp_path, without_gateways(), **production) as (house, dispatcher):
        people = [some_facts(f"p{n}") for n in range(30)]
        messages = [
            a_message(f"m{n}", profile=f"p{n}", user_id=f"u{n}", key=f"default/u{n}", at=utc_now()) for n in range(30)
        ]
        await say(house, *people, *messages)
        async with client(house, dispatcher) as http, asyncio.timeout(60):
            sent: list[object] = []
            for _ in range(1000):
                sent = (await http.get("/api/messages", params={"status": "sent"})).json()["messages"]
                if len(sent) == 30:
                    break
                await asyncio.sleep(0.05)
            assert len(sent) == 30
            assert len((await http.get("/api/messages")).json()["messages"]) == 30


async def test_a_held_message_leaves_when_the_clock_is_moved_to_its_moment(tmp_path: Path) -> None:
    quiet = {"quiet": {"between": "00:00-23:59", "channels": ["sms"]}}
    published = [*without_gateways(), Document("caps", "caps", quiet)]
    async with running(tmp_path, published) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(), a_message(at=utc_now(), by=("sms",), expires_at=utc_now() + timedelta(days=3)))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["status"] == "held"
        due = await dispatcher.next_due()
        assert due is not None and isinstance(house.clock, MovingClock)
        house.clock.move_to(due)
        async with house.db.transaction():
            pass
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["status"] == "sent"


async def test_a_publish_is_in_force_for_what_waits(tmp_path: Path) -> None:
    said = {"template": "advert", "category": "marketing", "email": {"subject": "{{ entry.nothing }}", "text": "x"}}
    others = [document for document in without_gateways() if document.name != "advert"]
    published = [*others, Document("template", "advert", said)]
    async with running(tmp_path, published) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(), a_message(at=utc_now()))
        await settled(house, dispatcher)
        held = (await http.get("/api/messages/m1")).json()
        assert (held["status"], held["reason"]) == ("held", "missing_value")
        await publish(house.db, WORKSPACE, without_gateways(), by="test")
        await say(house, some_facts(version=2))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["status"] == "sent"


async def test_consent_stated_by_the_api_is_in_force_when_it_answers(tmp_path: Path) -> None:
    async with running(tmp_path, without_gateways()) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(consents=()))
        await settled(house, dispatcher)
        answer = await http.post("/api/consents", json={"user_id": "u1", "granted": True, "channels": ["email"]})
        assert answer.json() == {"user_id": "u1", "recorded": True}
        await say(house, a_message(at=utc_now()))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["status"] == "sent"
        await http.post("/api/consents", json={"user_id": "u1", "granted": False})
        await say(house, a_message("m2", at=utc_now()))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m2")).json()["reason"] == "withdrawn"
        held = (await http.get("/api/consents", params={"user_id": "u1"})).json()
        assert {one["channel"]: one["granted"] for one in held["consents"]}["email"] is False
        assert [one["granted"] for one in held["statements"]] == [True, False]


async def test_a_kill_switch_holds_until_it_is_off(tmp_path: Path) -> None:
    async with running(tmp_path, without_gateways()) as (house, dispatcher), client(house, dispatcher) as http:
        assert (await http.post("/api/switches", json={"switch": "journey:welcome", "on": True})).status_code == 200
        assert (await http.post("/api/switches", json={"switch": "weather", "on": True})).json()[
            "code"
        ] == "unknown_switch"
        await say(house, some_facts(), a_message(at=utc_now()))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["reason"] == "kill_switch"
        assert [one["switch"] for one in (await http.get("/api/switches")).json()["switches"]] == ["journey:welcome"]
        await http.post("/api/switches", json={"switch": "journey:welcome", "on": False})
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["status"] == "sent"


async def test_case_51_a_paused_journey_says_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    """Caught: pauses not among the rules; what was paused not due again."""
    body = {"journey": "welcome", "enter": {"event": "Signed Up"}, "steps": [{"send": "advert", "by": "email"}]}
    paused = [*without_gateways(), Document("journey", "welcome", body | {"paused": True})]
    async with running(tmp_path, paused) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(), a_message(at=utc_now()))
        await settled(house, dispatcher)
        held = (await http.get("/api/messages/m1")).json()
        assert (held["status"], held["reason"]) == ("held", "paused")
        await publish(house.db, WORKSPACE, [*without_gateways(), Document("journey", "welcome", body)], by="test")
        await say(house, some_facts(version=2))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages/m1")).json()["status"] == "sent"


async def test_messages_are_listed_page_by_page_the_newest_first(tmp_path: Path) -> None:
    async with running(tmp_path, without_gateways()) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(), *(a_message(f"m{n}", at=utc_now()) for n in range(5)))
        await settled(house, dispatcher)
        whole = [one["id"] for one in (await http.get("/api/messages")).json()["messages"]]
        assert sorted(whole) == ["m0", "m1", "m2", "m3", "m4"]
        paged: list[str] = []
        asked: dict[str, str | int] = {"limit": 2}
        for size in (2, 2, 1):
            page = (await http.get("/api/messages", params=asked)).json()
            assert len(page["messages"]) == size
            paged += [one["id"] for one in page["messages"]]
            asked["after"] = page["next"]
        assert (paged, page["next"]) == (whole, None)


async def test_other_workspaces_see_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, without_gateways()) as (house, dispatcher), client(house, dispatcher) as http:
        await say(house, some_facts(consents=(a_consent(),)), a_message(at=utc_now(), workspace="other"))
        await settled(house, dispatcher)
        assert (await http.get("/api/messages")).json() == {"messages": [], "next": None}
        assert (await http.get("/api/messages/m1")).status_code == 404
        assert (await http.get("/api/consents", params={"user_id": "nobody"})).json()["code"] == "unknown_profile"


@asynccontextmanager
async def client(house: House, dispatcher: Dispatcher) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app_of(house, dispatcher.router), SECRET) as http:
        yield http


async def test_case_55_case_56_what_a_killed_process_was_trying_is_due_when_up_starts_again(tmp_path: Path) -> None:
    """faults D55, D56: one process has the file, so a lease need not be waited for.

    Caught: leases that are not ended at the start.
    """
    async with running(tmp_path, without_gateways()) as (house, dispatcher):
        await say(house, some_facts(), a_message(at=utc_now()))
        await settled(house, dispatcher)
    async with open_house(tmp_path, MovingClock()) as house:
        async with house.db.transaction() as conn:  # as a kill between claim and record leaves it
            later = (utc_now() + timedelta(seconds=50)).isoformat(timespec="microseconds")
            await conn.execute(
                text("UPDATE message SET status = 'claimed', due_at = :at, delivery = (SELECT id FROM delivery)"),
                {"at": later},
            )
            await conn.execute(text("UPDATE delivery SET status = 'claimed'"))
        async with open_service(house) as dispatcher:
            stop = asyncio.Event()
            task = asyncio.create_task(dispatcher.run(stop))
            await settled(house, dispatcher)
            stop.set()
            await task
        async with house.db.transaction() as conn:
            found = (await conn.execute(text("SELECT status FROM message"))).scalars().all()
    assert "claimed" not in found


async def test_a_database_that_is_away_while_desks_are_changed_ends_no_worker(tmp_path: Path) -> None:
    """faults P2: it was the end of the process, with every call that was out."""
    async with open_house(tmp_path, MovingClock()) as house, open_service(house) as dispatcher:
        await publish(house.db, WORKSPACE, without_gateways(), by="test")
        stop = asyncio.Event()
        task = asyncio.create_task(dispatcher.run(stop))
        await settled(house, dispatcher)
        with closing(sqlite3.connect(house.db.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # busy for us after a second
            dispatcher.worker.moved.set()
            ended, _ = await asyncio.wait({task}, timeout=2.5)
            assert not ended
        await say(house, some_facts(), a_message(at=utc_now()))
        await settled(house, dispatcher)
        assert [event.name for event in await events_of(house.stream)] == [Fate.SENT]
        stop.set()
        await task


async def test_case_65_a_call_that_hangs_keeps_no_other_gateway_from_a_publish(tmp_path: Path) -> None:
    """faults D65: the gateways are opened anew while the old one still waits for its answer.

    Caught: new desks that wait for the old ones.
    """

    def with_hook(url: str, text_gate: str) -> list[Document]:
        hook = {"gateway": "hook", "channel": "sms", "kind": "webhook", "url": url}
        mail = {"gateway": text_gate, "channel": "email", "kind": "inbox"}
        gates = [Document("gateway", "hook", hook), Document("gateway", text_gate, mail)]
        return [*without_gateways(), *gates]

    async with running(tmp_path, without_gateways()) as (house, dispatcher), peer() as hanging:
        await publish(house.db, WORKSPACE, with_hook(hanging.url, "one"), by="test")
        await say(house, some_facts(), a_message("m1", at=utc_now(), by=("sms",), template="notice"))
        await until(lambda: bool(hanging.bodies))
        await publish(house.db, WORKSPACE, with_hook(hanging.url, "two"), by="test")
        await say(house, some_facts(version=2), a_message("m2", at=utc_now()))
        async with client(house, dispatcher) as http:
            for _ in range(200):
                if (await http.get("/api/messages/m2")).json().get("status") == "sent":
                    break
                await asyncio.sleep(0.02)
            else:
                raise AssertionError("m2 waited for the call of m1")
            assert (await http.get("/api/messages/m1")).json()["status"] == "claimed"
            assert not await dispatcher.idle(house.clock())  # a call is still out


async def test_what_a_commit_stored_that_nobody_heard_of_is_looked_for(tmp_path: Path) -> None:
    """It is not read again, its position having moved. Caught: desks rung only once the database has answered."""
    async with open_house(tmp_path, MovingClock()) as house:
        await publish(house.db, WORKSPACE, documents(), by="test")
        async with open_service(house) as dispatcher:
            worker = dispatcher.worker
            desk = Desk(worker.office, WORKSPACE, "email-gate", None)
            worker.desks[WORKSPACE, desk.name] = desk
            value = encode(a_message(template="notice"))
            batch = Batch([Record(Topic.MESSAGES, 0, 1, house.clock(), "k", value)], ())
            house.db.after_commit(_unheard)
            with pytest.raises(Unavailable):
                await worker.handle(batch)
            assert desk.wake.is_set()


def _unheard() -> None:
    raise Unavailable("the answer of the commit was lost")
