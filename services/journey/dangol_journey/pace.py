"""How many people a transaction takes, so that on SQLite, where everybody else waits for it, it is soon over."""

from dataclasses import dataclass
from datetime import timedelta

HELD_FOR = timedelta(milliseconds=20)
HELD_BY_MOMENTS = timedelta(milliseconds=60)  # only a burst of them takes as long, and each of it is late already
MOST, FEWEST = 1000, 20
FIRST = 100  # before anything is learned


@dataclass(slots=True)
class Pace:
    """`size` is how many; where transactions are `alone`, as many as the last one's speed does in `held_for`."""

    alone: bool
    size: int = MOST
    held_for: timedelta = HELD_FOR

    def __post_init__(self) -> None:
        if self.alone:
            self.size = FIRST

    def took(self, people: int, span: timedelta) -> None:
        """Learn from a transaction; a small one says little, being mostly its beginning and its end."""
        if not self.alone or people < self.size // 2 or span <= timedelta(0):
            return
        wanted = int(people * (self.held_for / span))
        self.size = min(MOST, max(FEWEST, min(wanted, 2 * self.size)))
