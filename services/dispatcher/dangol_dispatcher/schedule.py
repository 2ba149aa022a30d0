"""When a delivery is tried again: the schedules, as data."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from dangol.names import named

S, M, H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

# The pauses after the first, second, … attempt.
WEBHOOK = (
    5 * S,
    5 * M,
    30 * M,
    2 * H,
    5 * H,
    10 * H,
    14 * H,
    20 * H,
    24 * H,
)  # Standard Webhooks: 10 attempts over 75 h 35 m
MAIL = (1 * M, 5 * M, 15 * M, 1 * H, 2 * H, 4 * H)
SHORT = (10 * S, 1 * M, 5 * M, 15 * M, 30 * M)

SCHEDULES = {"webhook": WEBHOOK, "email": MAIL}
LONGEST_WAIT = 24 * H  # a gateway's own Retry-After is believed up to this
SPREAD = 0.1  # ± of each pause, so that what failed together does not come back together


def schedule_of(channel: str) -> Sequence[timedelta]:
    """The pauses of a channel's schedule."""
    return SCHEDULES.get(channel, SHORT)


def next_attempt_at(
    channel: str, delivery: str, attempt: int, after: timedelta | None, now: datetime
) -> datetime | None:
    """When to try again after the `attempt`-th (from 1); None when the schedule is at its end.

    `after` is what the gateway asked for: never sooner than that, and at most 24 h of it.
    """
    pauses = schedule_of(channel)
    if attempt > len(pauses):
        return None
    pause = pauses[attempt - 1] * (1 + SPREAD * lot(delivery, attempt))
    return now + max(pause, waited_for(after))


def waited_for(after: timedelta | None) -> timedelta:
    """How long a gateway's `Retry-After` is honoured."""
    return min(max(after or timedelta(0), timedelta(0)), LONGEST_WAIT)


def lot(delivery: str, attempt: int) -> float:
    """A number from -1 to 1 that this attempt draws, always the same."""
    return UUID(named("lot", delivery, attempt)).int / 2**127 - 1
