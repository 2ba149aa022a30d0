"""`dangol up` killed and ended under load: no accepted event is lost, nobody enters twice, no effect is repeated.

What the product did is written down by others and compared by `programs/checker`, which knows nothing of its code.
The suite's form is short; `just crash up` runs the long one: 50,000 events of 10,000 people and 200 kills, at the
moments of a seed.
"""

import threading
import time

import pytest

from tests.crash.ground import Ground, form

FORM = form()
A_START = 1.5  # seconds: a fifth of the kills come that soon after another, while it starts
ENDS_WITHIN = 30.0
DRAINS_WITHIN = 180.0  # seconds: a bound for a crowded machine, no measure


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_repeated_when_up_is_killed_under_load(embedded: Ground) -> None:
    """faults A1, A2, A3, C36, D55, D56: kill -9 again and again, started again at once."""
    chance, up = FORM.chance, embedded.fleet.roles["up"]
    embedded.post(FORM.of(120, 10_000), FORM.seed)
    starting = FORM.of(1, 40)
    again = set(chance.sample(range(moments := FORM.of(4, 160)), starting))
    for number, moment in enumerate(embedded.moments(chance, moments)):
        embedded.when_taken(moment)
        embedded.kill(up)
        if number in again:
            threading.Event().wait(chance.uniform(0, A_START))
            embedded.kill(up)
    embedded.drained(DRAINS_WITHIN)


@pytest.mark.timeout(600)
def test_up_that_is_told_to_end_under_load_loses_and_repeats_nothing(embedded: Ground) -> None:
    """faults F101, F102: SIGTERM, once waited for and once followed by SIGKILL a second later."""
    up = embedded.fleet.roles["up"]
    embedded.post(150, FORM.seed)
    first, second = embedded.moments(FORM.chance, 2)
    embedded.when_taken(first)
    asked = time.monotonic()
    assert up.end() == 0
    assert time.monotonic() < asked + ENDS_WITHIN
    up.start()
    embedded.when_taken(second)
    up.end_hastily(after=1.0)
    up.start()
    embedded.drained(DRAINS_WITHIN)
