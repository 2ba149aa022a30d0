"""How much a workspace may post: a bucket that fills at its rate. PURE."""

from dataclasses import dataclass, field
from datetime import timedelta

BURST = 2.0  # seconds' worth of its rate that a workspace may post at once


@dataclass(slots=True)
class Admission:
    """Buckets by workspace; `rate` is in events a second, 0 admits all. `now` is in seconds, and only rises."""

    rate: float
    _full_at: dict[str, float] = field(default_factory=dict)  # when the bucket will be full again

    def wait(self, workspace: str, events: int, now: float) -> timedelta:
        """Take room for so many events: zero if there is any left, else how long until there will be.

        A request is admitted whole while the bucket is not empty, so that a batch larger than the
        bucket is not refused for ever; the next ones pay for it.
        """
        if self.rate <= 0:
            return timedelta(0)
        full_at = max(self._full_at.get(workspace, now), now)
        over = full_at - now - BURST
        if over >= 0:
            return timedelta(seconds=over + 1 / self.rate)
        self._full_at[workspace] = full_at + events / self.rate
        return timedelta(0)
