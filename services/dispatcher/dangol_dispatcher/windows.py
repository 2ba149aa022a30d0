"""Hours and calendar windows in a person's own zone, across the days that have 23 or 25 hours."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the day from `start` up to, not including, `end`; an `end` before `start` goes over midnight."""

    start: time
    end: time

    def has(self, local: time) -> bool:
        """Whether a local time of day lies inside."""
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


@lru_cache(maxsize=1024)
def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of an IANA name; None for none, or one that does not exist."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def until_end(hours: Hours, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the hours `now` lies in end, in UTC; None when it lies outside."""
    local = now.astimezone(zone)
    if not hours.has(local.time()):
        return None
    ends_on = local.date() if local.time() < hours.end else local.date() + ONE_DAY
    return first_at_or_after(ends_on, hours.end, zone, now)


def first_at_or_after(day: date, clock_time: time, zone: ZoneInfo, now: datetime) -> datetime:
    """That local time of day, in UTC. One the day skips is the moment after the gap, one it has twice the later."""
    earlier = datetime.combine(day, clock_time, zone).astimezone(UTC)
    later = datetime.combine(day, clock_time, zone).replace(fold=1).astimezone(UTC)
    ahead = [moment for moment in (max(earlier, later), earlier, later) if moment > now]
    return ahead[0] if ahead else now + timedelta(minutes=1)


def period(per: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """The calendar day, week (from Monday) or month around `now`: its start and its end, in UTC."""
    return _period(per, zone, now.astimezone(zone).date())


@lru_cache(maxsize=1024)  # asked for every message, and the same for all people of a zone
def _period(per: str, zone: ZoneInfo, today: date) -> tuple[datetime, datetime]:
    if per == "day":
        first, next_first = today, today + ONE_DAY
    elif per == "week":
        first = today - timedelta(days=today.weekday())
        next_first = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        next_first = (first + timedelta(days=32)).replace(day=1)
    return midnight(first, zone), midnight(next_first, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a local day, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
