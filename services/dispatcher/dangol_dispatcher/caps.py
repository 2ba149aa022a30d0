"""Caps: how many messages a person may get in a window, and when a slot is free again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dangol_dispatcher.model import SendRequest, Spent
from dangol_dispatcher.windows import period


@dataclass(frozen=True, slots=True)
class Scope:
    """What a cap counts; what is not said is not asked. Without a category: marketing."""

    category: str = "marketing"
    channel: str | None = None
    tag: str | None = None
    journey: str | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many per window. `over`: `drop`, `next` (channel), or the longest time to hold."""

    name: str
    at_most: int
    per: str | timedelta  # day | week | month by the calendar, or a sliding span
    zone: str = "person"  # whose calendar: person | workspace
    of: Scope = field(default_factory=Scope)
    over: str | timedelta = "drop"


@dataclass(frozen=True, slots=True)
class Full:
    """A cap that is used up; `free_at` is when it has a slot again."""

    cap: Cap
    used: int
    free_at: datetime


def full_caps(
    caps: Iterable[Cap],
    request: SendRequest,
    channel: str,
    recent: Sequence[Spent],
    zones: tuple[ZoneInfo, ZoneInfo],
    now: datetime,
) -> list[Full]:
    """The caps that leave no slot for this message on this channel. `zones`: the person's, the workspace's."""
    asked = Spent(request.message.id, now, request.category, channel, request.message.journey, request.tags)
    others = [spent for spent in recent if spent.message != asked.message]
    full = []
    for cap in caps:
        if counts(cap.of, asked):
            zone = zones[0] if cap.zone == "person" else zones[1]
            used = sorted(spent.at for spent in others if counts(cap.of, spent))
            if found := _full(cap, used, zone, now):
                full.append(found)
    return full


def counts(scope: Scope, spent: Spent) -> bool:
    """Whether a message falls under a cap's scope."""
    return (
        spent.category == scope.category
        and scope.channel in (None, spent.channel)
        and scope.journey in (None, spent.journey)
        and (scope.tag is None or scope.tag in spent.tags)
    )


def longest_window(caps: Iterable[Cap]) -> timedelta:
    """How far back the rules look; a little more than a calendar window can be long."""
    calendar = {"day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32)}
    spans = (calendar[cap.per] if isinstance(cap.per, str) else cap.per for cap in caps)
    return max(spans, default=timedelta(0))


def _full(cap: Cap, used: list[datetime], zone: ZoneInfo, now: datetime) -> Full | None:
    if isinstance(cap.per, timedelta):
        inside = [at for at in used if at > now - cap.per]
        leaves = inside[len(inside) - cap.at_most] + cap.per if 0 < cap.at_most <= len(inside) else now + cap.per
    else:
        start, leaves = period(cap.per, zone, now)
        inside = [at for at in used if at >= start]
    return Full(cap, len(inside), leaves) if len(inside) >= cap.at_most else None
