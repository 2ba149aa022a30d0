"""Cases of the arithmetic of time in journeys: zones, changed rules, leap days, and the order of what is told. Pure."""

import random
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from dangol_journey import clockwork
from dangol_journey.clockwork import next_inside
from dangol_journey.intake import fresh
from dangol_journey.journey import Aggregate, ComputedTrait, Window
from dangol_journey.machine import advance
from dangol_journey.model import Person
from dangol_journey.traits import profile_of
from tests.support.journeys import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Life,
    after,
    definitions,
    event,
    identify,
    journey,
    person,
    send,
    until,
    wait,
)
from tests.support.walks import CART, templates

NINE = Window(time(9), time(9, 30))
AT_NINE = definitions(journey("nine", "Signed Up", wait("nine", after(HOUR, "hi", between=NINE)), send("hi")))
ORDERS = [
    ComputedTrait("orders", Aggregate.COUNT, "Order Completed", None, None),
    ComputedTrait("spent", Aggregate.SUM, "Order Completed", "revenue", None),
    ComputedTrait("last_order", Aggregate.LAST, "Order Completed", "revenue", None),
]


@pytest.mark.parametrize("seed", range(20))
def test_case_38_a_profile_is_the_same_in_whatever_order_and_however_often_it_is_told(seed: int) -> None:
    """Caught: a trait that the last told wins, not the newest."""
    defined = definitions(CART, traits=ORDERS)
    told = [identify(NOON + n * MINUTE, id=f"i{n}", name=f"n{n}", city=f"c{n}") for n in range(6)]
    told += [event("Order Completed", NOON + n * HOUR, id=f"o{n}", revenue=n, cart_id="c") for n in range(6)]
    now = NOON + DAY
    shuffled = [*told, *told, *told[:3]]
    random.Random(seed).shuffle(shuffled)

    def lived(events: list[object]) -> tuple[object, ...]:
        taken = fresh(events, {}, now).events  # type: ignore[arg-type]
        who: Person = advance(defined, person(), taken, now).person
        return profile_of(defined, who), who.trait_times, who.enrolments

    assert lived(list(shuffled)) == lived(list(told))


def test_case_42_half_past_two_on_a_day_without_it_fires_once_at_half_past_three() -> None:
    """New York, 2026-03-08: 02:00 becomes 03:00. Caught: the later of two readings, 01:30."""
    half_past = Window(time(2, 30), time(6))
    eve = datetime(2026, 3, 7, 15, tzinfo=UTC)  # 10:00 there
    waits = definitions(journey("night", "Signed Up", wait("night", after(HOUR, "hi", between=half_past)), send("hi")))
    life = Life(waits, person(zone="America/New_York"), now=eve)
    life.happens("Signed Up", eve)
    assert life.person.wake_at == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert templates(life.forward(2 * DAY)) == ["hi"]


def test_case_44_a_day_is_24_hours_and_the_same_time_tomorrow_is_a_window() -> None:
    """Over spring-forward in New York the one is 11:00 there, the other 10:00, after 23 hours.

    Caught: a day added to the time on the wall.
    """
    eve = datetime(2026, 3, 7, 15, tzinfo=UTC)  # 10:00
    same_time = Window(time(10), time(10, 1))
    for way, hours in ((after(DAY, "hi"), 24), (after(20 * HOUR, "hi", between=same_time), 23)):
        life = Life(definitions(journey("one", "Signed Up", wait("one", way), send("hi"))), now=eve)
        life.person.zone = "America/New_York"
        life.happens("Signed Up", eve)
        assert life.person.wake_at == eve + hours * HOUR


@pytest.mark.parametrize(
    ("zone", "utc"),
    [
        ("Asia/Kathmandu", "2026-11-03T03:15"),  # +5:45
        ("Australia/Lord_Howe", "2026-11-02T22:00"),  # +11, summer time of half an hour
        ("Pacific/Apia", "2026-11-02T20:00"),  # +13
        ("Pacific/Kiritimati", "2026-11-02T19:00"),  # +14
        ("Africa/Casablanca", "2026-11-02T08:00"),  # +1
        ("Mars/Olympus", "2026-11-03T00:00"),  # none: the workspace's, Seoul
        ("", "2026-11-03T00:00"),
        (None, "2026-11-03T00:00"),
    ],
)
def test_case_45_nine_o_clock_is_the_persons_own(zone: str | None, utc: str) -> None:
    """Caught: the workspace's zone alone; UTC for an unknown one."""
    life = Life(AT_NINE, person(zone=zone))
    life.happens("Signed Up")
    assert life.person.wake_at == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A zone, Test/Town, whose rules can be changed; each change is a start with another tzdata."""
    (tmp_path / "Test").mkdir()

    def as_in(place: str) -> None:
        area, name = place.split("/")
        (tmp_path / "Test" / "Town").write_bytes((files(f"tzdata.zoneinfo.{area}") / name).read_bytes())
        _forget_zones()

    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    yield as_in
    zoneinfo.reset_tzpath()
    _forget_zones()


def _forget_zones() -> None:
    zoneinfo.ZoneInfo.clear_cache()
    clockwork.zone_of.cache_clear()
    clockwork.zone_for.cache_clear()


@pytest.mark.parametrize(
    ("later", "fires"),
    [("Asia/Shanghai", "2026-11-03T01:00"), ("Pacific/Auckland", "2026-11-03T00:00")],
)
def test_case_46_rules_that_change_under_a_wait_may_put_it_off_and_never_bring_it_forward(
    town: Callable[[str], None], later: str, fires: str
) -> None:
    """The moment stands as it was worked out; when it comes, it is worked out again.

    Caught: a moment that fires without being looked at again.
    """
    town("Asia/Seoul")
    life = Life(AT_NINE, person(zone="Test/Town"))
    life.happens("Signed Up")
    assert life.person.wake_at == datetime(2026, 11, 3, 0, tzinfo=UTC)
    town(later)
    expected = datetime.fromisoformat(fires).replace(tzinfo=UTC)
    assert templates(life.forward(expected - NOON - MINUTE)) == []
    assert templates(life.forward(MINUTE)) == ["hi"]


def test_a_move_to_another_zone_moves_a_wait_for_its_hours() -> None:
    """Caught: waits with hours taken for ones that cannot move."""
    life = Life(AT_NINE, person(zone="Asia/Seoul"))
    life.happens("Signed Up")
    assert life.person.wake_at == datetime(2026, 11, 3, 0, tzinfo=UTC)
    life.person.traits["timezone"] = "Asia/Shanghai"
    life.happens("Anything")
    assert life.person.wake_at == datetime(2026, 11, 3, 1, tzinfo=UTC)


def test_case_47_a_year_is_365_days_and_a_day_that_is_none_is_no_moment() -> None:
    """There is no "monthly": a wait is a span, or until a moment somebody names.

    Caught: a date that is none read as its month's first.
    """
    leap = datetime(2028, 2, 29, 3, tzinfo=UTC)
    yearly = definitions(journey("year", "Signed Up", wait("year", after(365 * DAY, "hi")), send("hi")))
    life = Life(yearly, now=leap)
    life.happens("Signed Up", leap)
    assert life.person.wake_at == datetime(2029, 2, 28, 3, tzinfo=UTC)
    named = definitions(journey("named", "Signed Up", wait("named", until("event.on", "hi")), send("hi")))
    for on, wakes in (
        ("2028-02-29", datetime(2028, 2, 28, 15, tzinfo=UTC)),
        ("2027-02-29", None),
        ("2026-11-31", None),
    ):
        life = Life(named)
        told = life.happens("Signed Up", on=on)
        assert life.person.wake_at == wakes
        if wakes is None:
            assert told.decisions[-1].reason.startswith("unknown")


def test_case_45_every_opening_is_on_the_hour_there() -> None:
    """Caught: the offset of one day taken for that of all."""
    for name in ("Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Africa/Casablanca"):
        there = zoneinfo.ZoneInfo(name)
        for day in range(0, 400, 7):
            opening = next_inside(NOON + timedelta(days=day), NINE, there).astimezone(there)
            assert time(9) <= opening.time() < time(9, 30)
