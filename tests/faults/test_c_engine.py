"""Cases of the worker's timers, on both sides, with real workers: never early, each once, whatever clocks say."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from dangol.codec import decode_decision
from dangol.decisions import Decision, Verdict
from dangol.documents import Document
from dangol.topics import Topic
from tests.contract.conftest import Ground, another, now
from tests.support.dispatching import Shop, ToldGateway, documents, some_facts
from tests.support.journeys import after, definitions, journey, send, wait
from tests.support.sides import now_asked, open_side
from tests.support.working import eventually, records_in, working
from tests.support.workshops import did, record_of, rows, workshop

SPAN = timedelta(seconds=1.5)
SOON = journey("soon", "Signed Up", wait("blink", after(SPAN, "hi")), send("hi"))
A_TICK = timedelta(milliseconds=1)  # Kafka tells milliseconds
HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)


class SetClock:
    """The machine's clock, set wrong by some time."""

    def __init__(self, off: timedelta = timedelta(0)) -> None:
        self.off = off

    def __call__(self) -> datetime:
        """What it shows."""
        return now() + self.off


async def sign_up(ground: Ground, people: dict[str, datetime], workspace: str = "default") -> None:
    """People who wait from a moment each."""
    entries = [did("Signed Up", user=user, at=at, workspace=workspace) for user, at in people.items()]
    await ground.stream.append([record_of(one) for one in entries])


async def fired(ground: Ground, count: int) -> list[tuple[Decision, datetime]]:
    """The moments that fired, each told by its decision, once so many are told; there are no more. With each, the
    latest at which the log can have heard of it: a decision's own moment is what its worker believed."""

    async def all_went_on() -> bool:
        return await rows(ground.db, "SELECT count(*) FROM enrolment WHERE step = 'hi'") == [(count,)]

    await eventually(all_went_on)
    records = await records_in(ground.stream, Topic.DECISIONS, count, wanted=b'"chose"')
    told = [(decode_decision(record.value), record.at + A_TICK) for record in records]
    chosen = [(one, at) for one, at in told if one.verdict is Verdict.CHOSE]
    assert len(chosen) == len({one.id for one, _ in chosen}) == count
    return chosen


def never_early(chosen: Sequence[tuple[Decision, datetime]], began: Mapping[str, datetime]) -> None:
    """Each fired when its wait was over, by the database's clock and by the log's."""
    for one, told_at in chosen:
        assert min(one.at, told_at) >= began[one.user_id or ""] + SPAN


async def test_case_39_case_41_timers_on_workers_whose_clocks_differ_are_never_early_and_fire_once(
    ground: Ground,
) -> None:
    """400 timers over a second and one in two minutes, four workers, clocks five minutes off either way.

    Caught: a moment's horizon a second ahead; due by the worker's own clock; sleep by the worker's own clock;
    two workers for one moment, without the person's lock.
    """
    began = {f"u{n}": now() - timedelta(seconds=0.5) + timedelta(milliseconds=n) for n in range(400)}
    defined = definitions(SOON)
    async with another(ground, SetClock(-FIVE)) as slow, another(ground, SetClock(FIVE)) as fast:
        places = (("m1", slow), ("m2", fast), ("m3", slow), ("m4", fast))
        shops = {member: workshop(place.db, place.stream, defined) for member, place in places}
        async with (
            working(shops["m1"], "m1"),
            working(shops["m2"], "m2"),
            working(shops["m3"], "m3"),
            working(shops["m4"], "m4"),
        ):
            await sign_up(ground, began | {"later": now() + timedelta(minutes=2)})
            chosen = await fired(ground, len(began))
    never_early(chosen, began)


async def test_case_40_a_clock_that_jumps_fires_nothing_early_and_nothing_twice(ground: Ground) -> None:
    """An hour ahead, and back. On PostgreSQL the server's clock counts, and what is due in half an hour stays; on
    SQLite the machine's is the only one.

    Caught: a moment's horizon a second ahead; due by the worker's own clock, and out of the log's turn.
    """
    clock, by_the_clock = SetClock(), int(ground.db.dialect == "sqlite")
    async with another(ground, clock) as place:
        place.db.clock = clock
        if by_the_clock:
            stream: Any = place.stream
            stream._clock = clock
        async with working(workshop(place.db, place.stream, definitions(SOON)), "m1"):
            first = {f"a{n}": now() for n in range(20)}
            later = {"later": now() + HOUR / 2}
            await sign_up(ground, first | later)
            clock.off = HOUR
            chosen = await fired(ground, len(first) + by_the_clock)
            clock.off = timedelta(0)
            second = {f"b{n}": now() - timedelta(milliseconds=20) * n for n in range(20)}
            await sign_up(ground, second)
            chosen = await fired(ground, len(first) + by_the_clock + len(second))
    never_early(chosen, first | later | second)


async def test_case_48_very_many_timers_in_one_second_are_all_fired_and_no_workspace_waits_for_another(
    ground: Ground,
) -> None:
    """1,500 of one workspace and 30 of another, all due at the same moment.

    Caught: the due in the order of their workspaces.
    """
    at = now()
    async with working(workshop(ground.db, ground.stream, definitions(SOON)), "m1"):
        await sign_up(ground, {f"u{n}": at for n in range(1500)}, "a")
        await sign_up(ground, {f"u{n}": at for n in range(30)}, "b")
        chosen = await fired(ground, 1530)
    assert all(one.at >= at + SPAN for one, _ in chosen)
    places = [one.workspace for one, _ in sorted(chosen, key=lambda found: found[0].at)]
    assert places.index("b") < len(places) * 0.75


def paused(*, now_paused: bool) -> list[Document]:
    """The shop with its journey paused, or not."""
    steps = [{"send": "advert", "by": "email"}]
    body = {"journey": "welcome", "enter": {"event": "Signed Up"}, "steps": steps, "paused": now_paused}
    return [*documents(), Document("journey", "welcome", body)]


@pytest.fixture
async def shop(migrated_url: str) -> AsyncIterator[Shop]:
    async with open_side(migrated_url, paused(now_paused=False)) as shop:
        yield shop


async def test_case_51_no_call_begins_after_a_pause_is_answered(shop: Shop) -> None:
    """Neither of what waits nor of what was claimed already; another journey's goes.

    Caught: a second look with the rules of the claim; a pause only journey heeds.
    """
    mail = ToldGateway(batch=1, concurrency=2)
    await shop.hear(some_facts(), *(now_asked(shop, f"m{n}") for n in range(6)))
    await shop.desk(mail).step()
    await shop.publish(paused(now_paused=True))
    await asyncio.sleep(0)
    await shop.desk(mail).drain()
    await shop.hear(now_asked(shop, "other", journey="other"))
    await shop.work(mail)
    assert [one.message for one in mail.handed] == ["other"]
    stand = await rows(shop.db, "SELECT status, reason, count(*) FROM message GROUP BY status, reason ORDER BY 1")
    assert stand == [("held", "paused", 6), ("sent", "accepted", 1)]
