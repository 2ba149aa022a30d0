"""What is kept of the log in memory is what the database has, or it is not offered."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dangol import recent
from dangol.recent import Recent
from dangol.stream import Record
from dangol.topics import Topic

AT = datetime(2026, 11, 22, tzinfo=UTC)
TOPICS = st.lists(st.sampled_from([Topic.EVENTS, Topic.DECISIONS]), min_size=1, max_size=5)


def record(id: int, topic: Topic, value: bytes = b"x") -> Record:
    """One of the log."""
    return Record(topic, 0, id, AT, "key", value)


@given(st.lists(st.tuples(TOPICS, st.sampled_from(["heard", "unheard", "learned"])), max_size=30), st.integers(1, 40))
def test_what_is_offered_is_all_there_is_from_a_position_on(
    commits: list[tuple[list[Topic], str]], position: int
) -> None:
    log: list[Record] = []
    kept = Recent(0)
    for topics, fate in commits:
        new = [record(len(log) + number, topic) for number, topic in enumerate(topics, 1)]
        log += new
        if fate == "heard":
            kept.add(new)
        elif fate == "learned":
            kept.skip_to(log[-1].offset)
    known = max((one.offset for one in log), default=0) if not commits or commits[-1][1] != "unheard" else None
    for topic in (Topic.EVENTS, Topic.DECISIONS):
        offered = kept.since(topic, position, 3)
        stored = [one for one in log if one.topic is topic and one.offset >= position]
        if known is None:  # nobody asks before the end of the log was learned
            assert offered is None or offered == stored[: len(offered)]
        elif offered is not None:
            assert offered == stored[:3]  # caught: a jump in the ids not noticed


def test_it_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "KEPT", 3)
    kept = Recent(10)
    for id in range(11, 31):
        kept.add([record(id, Topic.EVENTS)])
    assert kept.since(Topic.EVENTS, 11, 9) is None
    assert [one.offset for one in kept.since(Topic.EVENTS, 28, 9) or []] == [28, 29, 30]
    assert kept.since(Topic.DECISIONS, 11, 9) == []


def test_large_values_leave_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "KEPT_BYTES", 100)
    kept = Recent(0)
    for id in range(1, 9):
        kept.add([record(id, Topic.EVENTS, b"x" * 60)])
    assert kept.since(Topic.EVENTS, 1, 9) is None
    assert [one.offset for one in kept.since(Topic.EVENTS, 8, 9) or []] == [8]
