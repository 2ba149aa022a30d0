"""A gateway's rate limit in this process: so many a second, with a short burst."""

from datetime import datetime, timedelta

BURST = 0.2  # seconds' worth that may leave at once


class Pace:
    """Tokens that come back with time; None a second: no limit."""

    def __init__(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._most = max(1.0, (per_second or 0) * BURST)
        self._tokens = self._most
        self._at: datetime | None = None

    def allows(self, wanted: int, now: datetime) -> int:
        """How many of those wanted may leave now."""
        if self.per_second is None:
            return wanted
        passed = max(0.0, (now - self._at).total_seconds()) if self._at else 0.0
        self._tokens = min(self._most, self._tokens + passed * self.per_second)
        self._at = now
        return min(wanted, int(self._tokens))

    def spend(self, left: int) -> None:
        """So many left."""
        if self.per_second is not None:
            self._tokens -= left

    def next_at(self, now: datetime) -> datetime:
        """When the next one may leave."""
        return now + timedelta(seconds=max(0.0, 1 - self._tokens) / (self.per_second or 1))
