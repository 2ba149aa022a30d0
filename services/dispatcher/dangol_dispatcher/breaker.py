"""The circuit breaker of a gateway: after failures in a row it rests, then lets one message try."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from dangol_dispatcher.schedule import SPREAD, lot

FAILURES_IN_A_ROW = 5
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)
PROBE_WITHIN = timedelta(minutes=2)  # a probe whose worker died is tried by another after this


class Circuit(StrEnum):
    """Whether a gateway is called."""

    CLOSED = "closed"  # → open after 5 failures in a row
    OPEN = "open"  # → half_open when it has rested
    HALF_OPEN = "half_open"  # one probe is out → closed when it is taken, open when not


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What all workers know of a gateway. `paused`: why an operator must look (credentials refused)."""

    circuit: Circuit = Circuit.CLOSED
    failures: int = 0  # in a row
    rests: int = 0  # in a row
    retry_at: datetime | None = None
    throttled_until: datetime | None = None
    paced_until: datetime | None = None  # see `pace`
    paused: str = ""


def allowance(state: GatewayState, wanted: int, now: datetime) -> int:
    """How many deliveries may start now, of those wanted."""
    if state.paused or (state.throttled_until and now < state.throttled_until):
        return 0
    if state.circuit is Circuit.CLOSED:
        return wanted
    return min(wanted, 1) if state.retry_at is None or now >= state.retry_at else 0


def probed(state: GatewayState, now: datetime) -> GatewayState:
    """After a claim: where the circuit was open, its one probe is out."""
    if state.circuit is Circuit.CLOSED:
        return state
    return replace(state, circuit=Circuit.HALF_OPEN, retry_at=now + PROBE_WITHIN)


def answered(state: GatewayState, taken: int, failed: int, now: datetime) -> GatewayState:
    """After a call: `taken` it dealt with (also by refusing), `failed` it did not."""
    if taken:
        return replace(state, circuit=Circuit.CLOSED, failures=0, rests=0, retry_at=None)
    if not failed:
        return state
    failures = state.failures + failed
    if state.circuit is Circuit.CLOSED and failures < FAILURES_IN_A_ROW:
        return replace(state, failures=failures)
    rest = _rest(state)
    return replace(state, circuit=Circuit.OPEN, failures=failures, rests=state.rests + 1, retry_at=now + rest)


def throttled(state: GatewayState, of: str, after: timedelta, now: datetime) -> GatewayState:
    """It asked us to slow down, for `after`; where it does not say (0), twice as long each time in a row.

    `of` names the gateway for the spread. Answers that come while it rests already are of the same crowd.
    """
    if after:
        return replace(state, throttled_until=max(now + after, state.throttled_until or now))
    if state.throttled_until and now < state.throttled_until:
        return state
    rest = _rest(state) * (1 + SPREAD * lot(of, state.rests))
    return replace(state, rests=state.rests + 1, throttled_until=now + rest)


def paused(state: GatewayState, why: str) -> GatewayState:
    """It refuses our credentials: nothing is sent, and nothing failed, until an operator resumes it."""
    return replace(state, paused=why)


def awake_at(state: GatewayState, now: datetime) -> datetime | None:
    """When it may be called again; None when it may now, or only an operator can say."""
    moments = [
        at
        for at in (state.throttled_until, state.retry_at if state.circuit is not Circuit.CLOSED else None)
        if at and at > now
    ]
    return max(moments, default=None)


def _rest(state: GatewayState) -> timedelta:
    return min(FIRST_REST * (1 << min(state.rests, 10)), LONGEST_REST)
