"""How many people a transaction takes, learned from the ones before."""

from datetime import timedelta

from dangol_journey.pace import FEWEST, MOST, Pace


def ms(count: float) -> timedelta:
    return timedelta(milliseconds=count)


def test_where_others_do_not_wait_it_takes_many_always() -> None:
    pace = Pace(alone=False)
    pace.took(1000, ms(900))
    assert pace.size == MOST


def test_it_takes_as_many_as_twenty_milliseconds_do() -> None:
    """Caught: a size that only ever grew."""
    pace = Pace(alone=True)
    pace.took(100, ms(10))
    assert pace.size == 200
    pace.took(200, ms(40))
    assert pace.size == 100


def test_it_grows_no_faster_than_twofold_and_stays_in_its_bounds() -> None:
    pace = Pace(alone=True)
    for _ in range(20):
        pace.took(pace.size, ms(0.1))
    assert pace.size == MOST
    pace.took(1000, ms(100_000))
    assert pace.size == FEWEST


def test_a_small_transaction_says_little() -> None:
    """Caught: one event that took 2 ms made the next batch ten people."""
    pace = Pace(alone=True)
    pace.took(1, ms(2))
    assert pace.size == 100
