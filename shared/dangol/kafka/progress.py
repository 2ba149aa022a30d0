"""What a reader knows of one partition: where it is, how far the log goes, and since when nothing moved. PURE."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(slots=True)
class Progress:
    """One held partition. Moments in milliseconds are the worker's wall clock, as aiokafka tells them."""

    next: int  # the offset after the last record that was returned
    sought: bool = False  # somebody said where to start: until then what comes is from wherever the consumer began
    first: int | None = None  # the oldest offset the log had when the partition was taken
    end: int | None = None  # the offset the next record would have had then
    highwater: int | None = None
    polled_ms: int | None = None  # when the last answer of the log came
    asked_ms: int | None = None  # a moment before the question of that answer was asked
    claimed: datetime | None = None
    wrong: str | None = None
    tries: int = 0  # of the next record, which could not be fetched

    def poll(self, highwater: int | None, polled_ms: int | None) -> None:
        """Note the newest answer. One question is asked at a time: this one was asked after the answer before it."""
        if polled_ms is None or polled_ms == self.polled_ms:
            return
        self.asked_ms, self.polled_ms, self.highwater = self.polled_ms, polled_ms, highwater

    def returned(self, offset: int, at: datetime) -> None:
        """Note a record: those the log took before its moment have been returned."""
        self.next, self.tries = offset + 1, 0
        self._claim(at)

    def reached(self) -> datetime | None:
        """Every record the log took before this moment was returned."""
        if self.highwater is not None and self.next >= self.highwater and self.asked_ms is not None:
            self._claim(moment_of(self.asked_ms))
        return self.claimed

    def behind(self) -> bool:
        """Whether the log is known to have more."""
        return self.highwater is not None and self.next < self.highwater

    def _claim(self, at: datetime) -> None:
        # what was true once stays true: a claim only rises
        self.claimed = at if self.claimed is None else max(self.claimed, at)


def moment_of(milliseconds: int) -> datetime:
    """A Kafka timestamp as a moment in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
