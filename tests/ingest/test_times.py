"""When it happened: moments as clients write them, and clocks that are wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dangol.errors import Invalid
from dangol_ingest import times
from tests.support.posts import RECEIVED, believed, call, event_of, posted, reject_of

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22T09:00:00Z",
        "2026-11-22T09:00:00.000Z",
        "2026-11-22T18:00:00+09:00",
        "2026-11-22 09:00:00",
        "2026-11-22T09:00:00.000000000Z",
        1795338000,
        1795338000000,
        1795338000.0,
    ],
)
def test_moments_are_read_as_utc(written: Any) -> None:
    assert times.read(written, "timestamp") == datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_nanoseconds_are_cut() -> None:
    assert times.read("2026-11-22T09:00:00.123456789Z", "timestamp") == datetime(
        2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "wrong", ["yesterday", "10:00", "2026-13-01", True, [], {}, 1e300, "0001-01-01T00:00:00+09:00"]
)
def test_what_is_no_moment_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        times.read(wrong, "timestamp")
    assert refusal.value.code == "bad_time"


def test_a_bad_timestamp_rejects_its_item_and_a_bad_sent_at_does_not() -> None:
    assert reject_of(timestamp="yesterday").code == "bad_time"
    assert event_of(sentAt="yesterday").sent_at is None


@pytest.mark.parametrize("off", [DAY, -DAY, timedelta(hours=9), timedelta(0)])
def test_a_wrong_clock_is_corrected(off: timedelta) -> None:
    stated, sent = RECEIVED - 60 * SECOND + off, RECEIVED + off
    assert times.happened(stated, sent, RECEIVED) == RECEIVED - 60 * SECOND


@pytest.mark.parametrize("off", [timedelta(days=365), timedelta(days=-3650)])
def test_a_correction_over_the_cap_is_not_believed(off: timedelta) -> None:
    assert times.happened(RECEIVED - DAY, RECEIVED + off, RECEIVED) == RECEIVED - DAY


def test_an_explicit_moment_long_ago_stays_what_it_is() -> None:
    stated = datetime(2020, 5, 1, tzinfo=UTC)
    assert times.happened(stated, RECEIVED - SECOND, RECEIVED) == stated + SECOND


def test_nothing_happened_after_it_was_received() -> None:
    assert times.happened(RECEIVED + 3650 * DAY, None, RECEIVED) == RECEIVED
    assert times.happened(RECEIVED + 3650 * DAY, RECEIVED, RECEIVED) == RECEIVED
    assert times.happened(None, None, RECEIVED) == RECEIVED


def test_a_clock_of_ours_that_was_moved_forward_moves_theirs_with_it() -> None:
    ahead = 30 * DAY
    sent = RECEIVED - ahead
    assert times.happened(sent - SECOND, sent, RECEIVED, ahead) == RECEIVED - SECOND


def test_all_four_moments_are_kept() -> None:
    body = posted(call(originalTimestamp="2026-11-23T09:59:00Z"), sentAt="2026-11-23T10:00:00Z")
    event = believed(body).events[0]
    assert event.original_at == datetime(2026, 11, 23, 9, 59, tzinfo=UTC)
    assert event.sent_at == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert event.received_at == RECEIVED
    assert event.at == RECEIVED - 60 * SECOND


def test_sent_at_is_taken_from_the_item_then_the_batch_then_the_header() -> None:
    item, batch, header = (RECEIVED - n * SECOND for n in (1, 2, 3))
    body = posted(call(sentAt=item.isoformat()), call(), sentAt=batch.isoformat())
    assert [event.sent_at for event in believed(body).events] == [item, batch]
    assert believed(posted(call()), sent_at=header.isoformat()).events[0].sent_at == header
