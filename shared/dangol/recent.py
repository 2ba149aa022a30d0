"""The newest records of an embedded log, kept in memory: who reads at its end need not ask the database."""

from bisect import bisect_left
from collections.abc import Sequence

from dangol.stream import Record
from dangol.topics import Topic

KEPT = 4_000  # records of a topic, at most
KEPT_BYTES = 8 * 1024 * 1024  # of their values, about


class Recent:
    """What was committed last. Ids rise by one over all topics; a jump means that somebody's commit was not heard of:
    then everything before it is forgotten."""

    def __init__(self, tail: int) -> None:
        self._tail = tail
        self._records: dict[Topic, list[Record]] = {topic: [] for topic in Topic}
        self._from = dict.fromkeys(Topic, tail + 1)  # from here on, every record of the topic is here
        self._bytes = dict.fromkeys(Topic, 0)

    def add(self, records: Sequence[Record]) -> None:
        """Records of one commit, in the order of their ids."""
        first = records[0].offset
        if first != self._tail + 1:
            self._forget_before(first)
        self._tail = records[-1].offset
        for record in records:
            self._records[record.topic].append(record)
            self._bytes[record.topic] += len(record.value)
        for topic in {record.topic for record in records}:
            self._trim(topic)

    def skip_to(self, tail: int) -> None:
        """Something up to this id was committed that we did not hear of."""
        if tail > self._tail:
            self._forget_before(tail + 1)
            self._tail = tail

    def since(self, topic: Topic, position: int, at_most: int) -> list[Record] | None:
        """At most so many records from `position` on; None where some may be older than what is kept."""
        if position < self._from[topic]:
            return None
        kept = self._records[topic]
        first = bisect_left(kept, position, key=lambda record: record.offset)
        return kept[first : first + at_most]

    def _forget_before(self, position: int) -> None:
        for topic in Topic:
            self._records[topic], self._from[topic], self._bytes[topic] = [], position, 0

    def _trim(self, topic: Topic) -> None:
        kept = self._records[topic]
        if len(kept) <= 2 * KEPT and self._bytes[topic] <= 2 * KEPT_BYTES:
            return
        gone = max(len(kept) - KEPT, 0)
        size = sum(len(record.value) for record in kept[gone:])
        while size > KEPT_BYTES:
            size -= len(kept[gone].value)
            gone += 1
        self._from[topic] = kept[gone - 1].offset + 1
        self._records[topic], self._bytes[topic] = kept[gone:], size
