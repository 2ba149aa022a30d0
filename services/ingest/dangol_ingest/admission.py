"""How much a workspace may post: a bucket that fills at its rate. PURE."""

from dataclasses import dataclass, field
from datetime import timedelta

BURST = 2.0  # seconds' worth of its rate that a workspace may post at once


@dataclass(slots=True)
class Admission:
    """Buckets by workspace; `rate` is in events a second, 0 admits all. `now` is in seconds, and only rises."""

    rate: float
    _full_at: dict[str, float] = field(default_factory=dict)  # when the bucket will be full again

    def over(self, workspace: str, now: float) -> timedelta:
        """Zero while its bucket is not empty, else how long until there will be room."""
        if self.rate <= 0:
            return timedelta(0)
        over = self._full_at.get(workspace, now) - now - BURST
        return timedelta(seconds=over + 1 / self.rate) if over >= 0 else timedelta(0)

    def wait(self, workspace: str, events: int, now: float) -> timedelta:
        """Take room for so many events: zero if there is any left, else how long until there will be.

        A request is admitted whole while the bucket is not empty, so that a batch larger than the
        bucket is not refused for ever; the next ones pay for it.
        """
        over = self.over(workspace, now)
        if not over and self.rate > 0:
            self._full_at[workspace] = max(self._full_at.get(workspace, now), now) + events / self.rate
        return over
