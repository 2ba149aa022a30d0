"""Moments and hours of the day in a person's zone, right on the days the clocks change.

A span is a span: `1d` is 24 hours, also over a change of clocks. Hours are wall time: a time that the
clocks skip is taken as the same distance after the hour before the gap (02:30 becomes 03:30), a time
that comes twice is the first of the two; while it is told apart, the second counts too.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dangol_journey.journey import Window

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The zone of an IANA name; None for what is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


@lru_cache(maxsize=1024)
def zone_for(*names: str | None) -> ZoneInfo:
    """The first of these that is a zone (the person's, then the workspace's), else UTC."""
    return next((zone for name in names if name and (zone := zone_of(name))), ZoneInfo("UTC"))


def inside(moment: datetime, window: Window, zone: ZoneInfo) -> bool:
    """Whether a moment's wall time is in the window: from `start` up to, and not with, `end`."""
    wall = moment.astimezone(zone).time()
    if window.start <= window.end:
        return window.start <= wall < window.end
    return wall >= window.start or wall < window.end


def next_inside(moment: datetime, window: Window, zone: ZoneInfo) -> datetime:
    """The moment itself, or the window's next opening."""
    if inside(moment, window, zone):
        return moment
    today = moment.astimezone(zone).date()
    openings = (at for day in range(3) for at in _wall(today + day * DAY, window.start, zone))
    return next(at for at in openings if at >= moment)


def last_inside(moment: datetime, window: Window, zone: ZoneInfo) -> datetime:
    """The moment itself, or the last minute of the window that closed before it."""
    if inside(moment, window, zone):
        return moment
    today = moment.astimezone(zone).date()
    closings = (at for day in range(3) for at in reversed(_wall(today - day * DAY, window.end, zone)))
    return next(at for at in closings if at <= moment) - MINUTE


def as_moment(value: object, zone: ZoneInfo) -> datetime | None:
    """A moment from what a condition gave: a datetime, an ISO text (naive is UTC), or a date (midnight in the zone)."""
    if isinstance(value, str):
        if len(value) == 10:
            return _midnight(value, zone)
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _midnight(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return _wall(day, time(), zone)[0]


def _wall(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The moments at which the zone's clocks show this: one, or two where it comes twice."""
    first, second = (datetime.combine(day, at.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
    # in a gap the later reading is the earlier moment: only the first is ours
    return (first, second) if first < second else (first,)
