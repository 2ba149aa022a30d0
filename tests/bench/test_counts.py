"""What makes a row fail instead of telling a figure: a message that is missing, came twice, or is somebody else's."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from dangol_bench.crowd import Copy, Model
from dangol_bench.end_to_end import refuse_wrong
from dangol_bench.latency import share
from dangol_bench.model import Untrue
from dangol_bench.rounds import in_turn
from dangol_bench.timers import Plan, late


def test_everybody_once_is_well() -> None:
    refuse_wrong(Counter([1, 2, 3]), range(1, 4), 1)


@pytest.mark.parametrize(
    ("came", "said"),
    [([1, 2], "1 did not come"), ([1, 2, 3, 3], "1 came twice"), ([1, 2, 3, -1], "1 are of others")],
)
def test_a_wrong_count_is_refused(came: list[int], said: str) -> None:
    with pytest.raises(Untrue, match=said):
        refuse_wrong(Counter(came), range(1, 4), 1)


START = datetime(2026, 1, 1, tzinfo=UTC)


def test_who_fires_before_its_moment_is_the_first_of_all() -> None:
    due = {1: START, 2: START}
    moments = {1: START + timedelta(milliseconds=7), 2: START - timedelta(milliseconds=2)}
    assert late(due, moments) == [-2.0, 7.0]


def test_a_plan_has_everybody_due_within_its_spans() -> None:
    plan = Plan(0, 10, timedelta(seconds=2), 100, START)
    moments = sorted(plan.due().values())
    assert len(moments) == 110
    assert (moments[0], moments[9]) == (START, START + timedelta(seconds=1.8))
    assert all(plan.burst_at <= at < plan.burst_at + timedelta(seconds=1) for at in moments[10:])


def test_a_copy_differs_in_its_ids_its_home_and_its_moments() -> None:
    profile = {"id": "p-id", "user_id": "p1", "home": 0, "wake_at": START, "state": '{"due":"2026-01-01T00:00:00Z"}'}
    inside = {"id": "e-id", "profile": "p-id", "due_at": START, "entered_at": START - timedelta(days=1)}
    model = Model("p1", {"profile": [profile], "identity": [], "enrolment": [inside]})
    due = START + timedelta(days=3)
    (((id, user, home, wake_at, state), (enrolment, owner, due_at, entered_at)),) = model.copies(
        iter([Copy(7, due)]), 64
    )
    assert id == owner != "p-id"
    assert enrolment not in ("e-id", id)
    assert (user, home) == ("p000000000007", 12)
    assert (wake_at, due_at, entered_at) == (due, due, due - timedelta(days=1))
    assert state == '{"due":"2026-01-04T00:00:00Z"}'


async def test_rounds_take_turns_and_the_first_does_not_count() -> None:
    order: list[str] = []

    async def ours(number: int) -> float:
        order.append(f"ours {number}")
        return float(number * 10)

    async def theirs(number: int) -> float:
        order.append(f"theirs {number}")
        return float(number)

    pair = await in_turn(ours, theirs, 3)
    assert (pair.ours, pair.theirs, pair.spread) == (20.0, 2.0, "10.00 to 10.00")
    assert order[2:] == ["ours 1", "theirs 1", "theirs 2", "ours 2", "ours 3", "theirs 3"]


def test_a_share_is_the_value_that_many_are_at_most() -> None:
    assert (share([1.0, 2.0, 3.0, 4.0], 0.5), share([1.0], 0.99)) == (3.0, 1.0)
