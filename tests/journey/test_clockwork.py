"""Hours of the day in a person's zone, also on the days the clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dangol_journey.clockwork import MINUTE, as_moment, inside, last_inside, next_inside, zone_for
from dangol_journey.journey import Window

ZONES = [
    "Asia/Seoul",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "UTC",
]
NEW_YORK = ZoneInfo("America/New_York")


def window(text: str) -> Window:
    start, end = (time.fromisoformat(part) for part in text.split("-"))
    return Window(start, end)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_moment_inside_stays_where_it_is() -> None:
    noon = utc("2026-11-02T03:00")
    assert next_inside(noon, window("09:00-20:00"), ZoneInfo("Asia/Seoul")) == noon
    assert last_inside(noon, window("09:00-20:00"), ZoneInfo("Asia/Seoul")) == noon


def test_outside_it_waits_for_the_next_opening() -> None:
    night = utc("2026-11-02T13:30")  # 22:30 in Seoul
    assert next_inside(night, window("09:00-20:00"), ZoneInfo("Asia/Seoul")) == utc("2026-11-03T00:00")


def test_or_earlier_takes_the_last_minute_before_the_window_closed() -> None:
    night = utc("2026-11-02T13:30")
    assert last_inside(night, window("09:00-20:00"), ZoneInfo("Asia/Seoul")) == utc("2026-11-02T10:59")


def test_a_window_may_go_over_midnight() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    assert inside(utc("2026-11-02T14:00"), window("22:00-02:00"), seoul)
    assert next_inside(utc("2026-11-02T03:00"), window("22:00-02:00"), seoul) == utc("2026-11-02T13:00")


def test_case_42_a_time_the_clocks_skip_is_the_same_distance_after_the_hour_before() -> None:
    """Caught: the other reading of a time in the gap."""
    # 2026-03-08: 02:00 becomes 03:00 in New York; 02:30 is not shown and is taken as 03:30
    before = utc("2026-03-08T05:00")
    assert next_inside(before, window("02:30-06:00"), NEW_YORK) == utc("2026-03-08T07:30")


def test_of_a_time_that_comes_twice_the_first_is_meant_and_the_second_serves_who_missed_it() -> None:
    # 2026-11-01: 02:00 becomes 01:00 again
    assert next_inside(utc("2026-11-01T04:00"), window("01:30-01:45"), NEW_YORK) == utc("2026-11-01T05:30")
    assert next_inside(utc("2026-11-01T05:50"), window("01:30-01:45"), NEW_YORK) == utc("2026-11-01T06:30")


def test_case_44_a_day_is_24_hours_and_the_same_hour_is_a_window() -> None:
    """Caught: a window read in UTC."""
    eve = datetime(2026, 3, 7, 10, 0, tzinfo=NEW_YORK).astimezone(UTC)
    next_day = (eve + timedelta(days=1)).astimezone(NEW_YORK)
    assert next_day.hour == 11
    same_hour = next_inside(eve + timedelta(hours=20), window("10:00-10:01"), NEW_YORK)
    assert same_hour.astimezone(NEW_YORK).hour == 10
    assert same_hour - eve == timedelta(hours=23)


def test_case_45_an_unknown_zone_falls_back_to_the_workspaces() -> None:
    """Caught: UTC for an unknown zone."""
    assert zone_for("Mars/Olympus", "Asia/Seoul") == ZoneInfo("Asia/Seoul")
    assert zone_for(None, "") == ZoneInfo("UTC")
    assert zone_for("../etc/passwd", "/etc/localtime") == ZoneInfo("UTC")


def test_what_can_be_a_moment() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    assert as_moment("2026-12-01T09:00:00+09:00", seoul) == utc("2026-12-01T00:00")
    assert as_moment("2026-12-01T09:00:00", seoul) == utc("2026-12-01T09:00")
    assert as_moment("2026-12-01", seoul) == utc("2026-11-30T15:00")
    assert as_moment("2028-02-29", seoul) == utc("2028-02-28T15:00")
    for none in ("2026-02-30", "soon", 5, None):
        assert as_moment(none, seoul) is None


@pytest.mark.parametrize("zone", ZONES)
@given(
    moment=st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: utc("2025-01-01") + minutes * MINUTE),
    start=st.times(),
    end=st.times(),
)
def test_a_window_is_never_left_and_never_more_than_two_days_off(
    zone: str, moment: datetime, start: time, end: time
) -> None:
    here, hours = ZoneInfo(zone), Window(start, end)
    if start == end:
        return
    opening = next_inside(moment, hours, here)
    assert moment <= opening <= moment + timedelta(hours=50)
    closing = last_inside(moment, hours, here)
    assert moment - timedelta(hours=50) - MINUTE <= closing <= moment
