"""When it happened: a client's moments read, and its clock corrected within reason. PURE."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dangol.errors import Invalid
from dangol_ingest.model import MAX_CORRECTION

_MILLISECONDS_FROM = 100_000_000_000  # larger epochs are in milliseconds, smaller in seconds (until the year 5138)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)


def read(value: Any, where: str) -> datetime | None:
    """A moment in UTC: ISO 8601 (a naive one is UTC; digits after microseconds are cut) or an epoch in s or ms.

    None for an absent one; raises `Invalid` for what is no moment.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            return _utc(datetime.fromisoformat(value.strip()))
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    hint = "send ISO 8601, like 2026-11-22T10:00:00.000Z"
    raise Invalid("bad_time", f"not a moment: {str(value)[:64]!r}", where=where, hint=hint)


def happened(
    stated: datetime | None, sent: datetime | None, received: datetime, ahead: timedelta = timedelta(0)
) -> datetime:
    """The moment something happened by our clock: `received - (sent - stated)`, and never after it was received.

    A correction over `MAX_CORRECTION` is not believed (a batch sent years later, a `sentAt` that is
    nonsense): the stated moment stands. `ahead` is how far our clock was moved, which no client knows.
    """
    if stated is None:
        return received
    if sent is not None and abs(received - sent - ahead) <= MAX_CORRECTION:
        stated = _moved(stated, received - sent)
    return min(stated, received)


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return at


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        return max(at.replace(tzinfo=UTC), _EARLIEST)
    return at.astimezone(UTC)
