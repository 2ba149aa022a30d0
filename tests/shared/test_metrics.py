"""Metrics: each of the table is told by somebody, and the log and its readers tell theirs."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from dangol import metrics
from dangol.errors import Unavailable
from dangol.flusher import Flusher
from dangol.stream import Outgoing
from dangol.topics import Topic

ROOT = Path(__file__).parents[2]
SOURCES = [file.read_text() for folder in ("shared", "services") for file in (ROOT / folder).rglob("*.py")]
TABLE = [name for name, value in vars(metrics).items() if hasattr(value, "describe") and name.isupper()]
RECORD = Outgoing(Topic.EVENTS, "default/u1", b"{}", "e1")


def told(name: str, **labels: str) -> float:
    """A metric's value by now."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("name", TABLE)
def test_a_metric_of_the_table_is_told_by_somebody(name: str) -> None:
    assert any(re.search(rf"\bmetrics\.{name}\b", source) for source in SOURCES)


def flusher(refuses: bool) -> Flusher:
    """One whose log takes everything, or nothing."""

    async def write(_outgoing: Sequence[Outgoing]) -> None:
        if refuses:
            raise Unavailable("the log does not answer")

    return Flusher(write, breath=timedelta(0), deadline=timedelta(seconds=2), at_most=10, room=10)


async def test_the_log_counts_what_it_acknowledged_and_how_long_that_took() -> None:
    records = told("dangol_log_appended_total", topic=Topic.EVENTS)
    writes = told("dangol_log_append_seconds_count")
    await flusher(refuses=False).append([RECORD, RECORD])
    assert told("dangol_log_appended_total", topic=Topic.EVENTS) == records + 2
    assert told("dangol_log_append_seconds_count") == writes + 1


async def test_the_log_counts_writes_that_failed_and_nothing_else_of_them() -> None:
    failures, records = told("dangol_log_append_failures_total"), told("dangol_log_appended_total", topic=Topic.EVENTS)
    with pytest.raises(Unavailable):
        await flusher(refuses=True).append([RECORD])
    assert told("dangol_log_append_failures_total") == failures + 1
    assert told("dangol_log_appended_total", topic=Topic.EVENTS) == records
