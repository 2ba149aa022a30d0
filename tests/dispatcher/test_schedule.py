"""When a delivery is tried again, and when a gateway is left alone."""

from datetime import timedelta

import pytest

from dangol_dispatcher import pace
from dangol_dispatcher.breaker import Circuit, GatewayState, allowance, answered, awake_at, paused, probed, throttled
from dangol_dispatcher.schedule import SCHEDULES, WEBHOOK, lot, next_attempt_at
from tests.support.dispatching import NOON


def test_a_webhook_is_tried_for_seventy_five_hours() -> None:
    assert len(WEBHOOK) + 1 == 10
    assert sum(WEBHOOK, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("channel", [*SCHEDULES, "sms"])
def test_every_pause_is_as_written_give_or_take_a_tenth(channel: str) -> None:
    for number in range(1, 20):
        at = next_attempt_at(channel, "d1", number, None, NOON)
        pauses = SCHEDULES.get(channel, ()) or (timedelta(seconds=10),) * 5
        if at is not None and channel in SCHEDULES:
            assert abs((at - NOON) / pauses[number - 1] - 1) <= 0.1
    assert next_attempt_at(channel, "d1", 20, None, NOON) is None


def test_a_lot_is_always_the_same_and_spread() -> None:
    drawn = [lot(f"d{number}", 1) for number in range(500)]
    assert drawn == [lot(f"d{number}", 1) for number in range(500)]
    assert min(drawn) < -0.8 and max(drawn) > 0.8 and all(-1 <= one <= 1 for one in drawn)


def test_a_gateway_is_never_asked_sooner_than_it_said_and_believed_for_a_day() -> None:
    assert next_attempt_at("email", "d1", 1, timedelta(hours=2), NOON) == NOON + timedelta(hours=2)
    assert next_attempt_at("email", "d1", 1, timedelta(days=9), NOON) == NOON + timedelta(hours=24)


def test_five_failures_open_the_circuit_and_rests_grow() -> None:
    state = GatewayState()
    for _ in range(4):
        state = answered(state, 0, 1, NOON)
        assert allowance(state, 100, NOON) == 100
    state = answered(state, 0, 1, NOON)
    assert (state.circuit, allowance(state, 100, NOON)) == (Circuit.OPEN, 0)
    later = NOON + timedelta(seconds=30)
    assert awake_at(state, NOON) == later
    assert allowance(state, 100, later) == 1
    state = probed(state, later)
    assert allowance(state, 100, later) == 0
    assert awake_at(answered(state, 0, 1, later), later) == later + timedelta(minutes=1)
    assert answered(state, 1, 0, later) == GatewayState()


def test_one_that_was_taken_between_failures_keeps_it_closed() -> None:
    state = GatewayState()
    for _ in range(10):
        state = answered(answered(state, 0, 4, NOON), 1, 0, NOON)
    assert state == GatewayState()


def test_a_pause_needs_an_operator_and_a_throttle_ends() -> None:
    assert allowance(paused(GatewayState(), "535"), 9, NOON + timedelta(days=9)) == 0
    slow = throttled(GatewayState(), "g", timedelta(minutes=2), NOON)
    assert [allowance(slow, 9, NOON + timedelta(minutes=minutes)) for minutes in (0, 1, 2)] == [0, 0, 9]


def test_case_64_one_that_only_says_slow_down_is_left_alone_twice_as_long_each_time() -> None:
    """Caught: a constant rest. Answers of one crowd count once; two gateways do not come back together."""
    state, now, rests = GatewayState(), NOON, []
    for _ in range(7):
        state = throttled(throttled(state, "g", timedelta(0), now), "g", timedelta(0), now)
        rests.append(((state.throttled_until or now) - now) / timedelta(seconds=30))
        now = state.throttled_until or now
    assert [round(rest / 2**n, 1) in (0.9, 1.0, 1.1) for n, rest in enumerate(rests[:5])] == [True] * 5
    assert 18 <= rests[-1] <= 22
    other = throttled(GatewayState(), "h", timedelta(0), NOON)
    assert other.throttled_until != throttled(GatewayState(), "g", timedelta(0), NOON).throttled_until
    assert answered(state, taken=1, failed=0, now=now).rests == 0


def test_a_pace_lets_so_many_a_second() -> None:
    until, left = None, 0
    for tenth in range(50):
        now = NOON + timedelta(seconds=tenth / 10)
        allowed = pace.allowed(10.0, until, 100, now)
        until = pace.spent(10.0, until, allowed, now)
        left += allowed
    assert 49 <= left <= 51
    assert pace.allowed(None, None, 100, NOON) == 100


def test_what_used_a_pace_up_comes_back_one_by_one() -> None:
    until = pace.spent(50.0, None, pace.allowed(50.0, None, 100, NOON), NOON)
    assert until is not None and pace.allowed(50.0, until, 100, NOON) == 0
    next_at = pace.next_at(50.0, until, NOON)
    assert next_at == NOON + timedelta(milliseconds=20)
    assert pace.allowed(50.0, until, 100, next_at) == 1
