"""A poison input is kept aside, and the person's others go on; repeats and reused ids are told apart."""

from datetime import UTC, datetime, timedelta

from dangol_journey.deciding import LONGEST_DELAY, Subject, advance, delay_after
from dangol_journey.intake import MEMORY, fresh
from tests.support.journeys import definitions, person
from tests.support.walks import WELCOME
from tests.support.workshops import did, raising

AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


def test_only_the_input_that_raises_is_kept_aside() -> None:
    subject = Subject(person())
    inputs = [did("Page Viewed", at=AT, id="1"), did("Boom", at=AT, id="2"), did("Signed Up", at=AT, id="3")]
    advance(raising("Boom"), definitions(WELCOME), subject, inputs, AT)
    assert [(one.input, one.profile) for one in subject.raised] == [(inputs[1], "p1")]
    assert "Boom is poison" in subject.raised[0].error
    assert [one.journey for one in subject.enrolments()] == ["welcome"]


def test_a_wake_that_raised_waits_twice_as_long_each_time_up_to_an_hour() -> None:
    assert [delay_after(n) for n in (1, 2, 3)] == [timedelta(minutes=n) for n in (1, 2, 4)]
    assert delay_after(12) == LONGEST_DELAY


def test_a_repeat_is_silent_and_another_body_is_not() -> None:
    first, again, other = (did("A", id="m1", at=AT, body_hash=hash) for hash in ("h", "h", "x"))
    found = fresh([first, again, other], {}, AT)
    assert (found.events, found.repeats, found.reused) == ([first], 1, [other])
    known = fresh([first, other], {("default", "m1"): "h"}, AT)
    assert (known.events, known.repeats, known.reused) == ([], 1, [other])


def test_what_is_older_than_the_memory_is_history() -> None:
    old, young = did("A", id="1", at=AT - MEMORY - timedelta(seconds=1)), did("A", id="2", at=AT - MEMORY)
    assert [event.backfill for event in fresh([old, young], {}, AT).events] == [True, False]
