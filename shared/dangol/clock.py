"""The clock: the machine's, or in one process one that can be moved forward and never back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The machine's moment, in UTC."""
    return datetime.now(UTC)


class MovingClock:
    """The machine's clock, ahead by an offset that only grows."""

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self.ahead = ahead

    def __call__(self) -> datetime:
        """The moment it shows."""
        return utc_now() + self.ahead

    def move_to(self, moment: datetime) -> None:
        """Show `moment` from now on, and go on from there; a moment that has passed changes nothing."""
        self.ahead = max(self.ahead, moment - utc_now())
