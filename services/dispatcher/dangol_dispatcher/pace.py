"""A gateway's rate limit, kept for all workers in one moment: until when what has left uses it up."""

from datetime import datetime, timedelta

BURST = 0.1  # seconds' worth that may leave at once


def allowed(rate: float | None, paced_until: datetime | None, wanted: int, now: datetime) -> int:
    """How many of those wanted may leave now. `rate`: so many a second; None: no limit."""
    if rate is None:
        return wanted
    used = max(0.0, (paced_until - now).total_seconds()) if paced_until else 0.0
    return max(0, min(wanted, int(_most(rate) - used * rate + 1e-6)))


def spent(rate: float | None, paced_until: datetime | None, left: int, now: datetime) -> datetime | None:
    """Until when it is used up, after so many left."""
    if rate is None:
        return paced_until
    return max(paced_until or now, now) + timedelta(seconds=left / rate)


def next_at(rate: float, paced_until: datetime, now: datetime) -> datetime:
    """When the next one may leave."""
    return max(now, paced_until - timedelta(seconds=(_most(rate) - 1) / rate))


def _most(rate: float) -> float:
    return max(1.0, rate * BURST)
