"""A life on a virtual clock, with a small model of the dispatcher."""

from datetime import time, timedelta
from typing import Any

from dangol.events import Fate
from dangol.messages import Address, ConsentStatement
from dangol_journey.journey import Window
from dangol_journey.model import Person
from dangol_journey.post import Rules
from dangol_journey.rehearsal import Breaks, Given, Happened, Seen, rehearse
from tests.support.journeys import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    after,
    definitions,
    event,
    journey,
    person,
    send,
    until,
    wait,
)
from tests.support.walks import CART, WELCOME

ALL = ("welcome", "mail", "short", "expiring")
RULES = Rules(
    templates={
        **{name: {"category": "marketing", "email": {}, "sms": {}} for name in ALL},
        "welcome-plain": {"category": "transactional", "email": {}},
    },
    quiet=Window(time(20, 50), time(8)),
    quiet_channels=frozenset({"sms"}),
    zone="Asia/Seoul",
)


def customer(*consents: str, **more: Any) -> Person:
    stated = [ConsentStatement(channels=(road,), granted=True, at=NOON - DAY) for road in consents]
    return person(addresses=[Address(kind="email", value="a@b.kr", at=NOON)], consents=stated, **more)


def outcomes(told: list[Happened]) -> list[tuple[timedelta, str, str]]:
    """What became of messages, and how it ended."""
    shown = ("sent", "dropped", "expired", "failed", "held", "cancelled", "exit", "finished")
    return [(one.at - NOON, one.what, one.name) for one in told if one.what in shown]


def cart(
    *given: tuple[timedelta, Given], who: Person | None = None, added: Any = None
) -> list[tuple[timedelta, str, str]]:
    first = (NOON, event("Product Added", cart_id="c1", cart_value=40000))
    later = [(NOON + at, one) for at, one in given]
    return outcomes(rehearse(definitions(CART), RULES, who or customer("email"), [first, *later]))


def test_the_whole_way_of_a_cart_nobody_pays() -> None:
    assert cart() == [
        (DAY, "sent", "mail"),
        (36 * HOUR, "sent", "short"),
        (90 * HOUR, "sent", "expiring"),
        (90 * HOUR, "finished", "cart-recovery"),
    ]


def test_paying_ends_it() -> None:
    paid = event("Order Completed", NOON + 23 * HOUR, cart_id="c1")
    assert cart((23 * HOUR, paid)) == [(23 * HOUR, "exit", "bought")]


def test_who_opens_is_not_reminded_again() -> None:
    read = (25 * HOUR, Seen(Fate.OPENED, "mail"))
    assert [name for _, what, name in cart(read) if what == "sent"] == ["mail", "expiring"]


def test_without_consent_nothing_is_sent_and_the_journey_goes_on() -> None:
    assert {what for _, what, _ in cart(who=customer())} == {"dropped", "finished"}


def test_no_consent_takes_the_way_otherwise() -> None:
    told = rehearse(definitions(WELCOME), RULES, customer(), [(NOON, event("Signed Up"))])
    assert outcomes(told)[:2] == [(timedelta(), "dropped", "welcome"), (timedelta(), "sent", "welcome-plain")]


def test_a_gateway_that_takes_nothing() -> None:
    told = rehearse(
        definitions(WELCOME), RULES, customer("email"), [(NOON, Breaks("welcome")), (NOON, event("Signed Up"))]
    )
    assert [what for _, what, _ in outcomes(told)] == ["failed", "sent", "finished"]


def night(within: timedelta | None, **more: Any) -> list[tuple[timedelta, str, str]]:
    late = NOON + 10 * HOUR
    by_text = journey("night", "Signed Up", send("welcome", by=("sms",), within=within), **more)
    given: list[tuple[Any, Given]] = [(late, event("Signed Up", late))]
    if more:
        given.append((late + HOUR, event("Order Completed", late + HOUR)))
    return outcomes(rehearse(definitions(by_text), RULES, customer("sms"), given))


def test_what_is_held_over_night_goes_in_the_morning() -> None:
    assert night(None)[:2] == [(10 * HOUR, "held", "welcome"), (20 * HOUR, "sent", "welcome")]


def test_what_is_worthless_by_then_expires() -> None:
    assert night(HOUR)[:2] == [(10 * HOUR, "held", "welcome"), (11 * HOUR, "expired", "welcome")]


def test_what_is_held_is_taken_back_when_the_person_leaves() -> None:
    left = night(None, exits=[("Order Completed", None, "bought")])
    assert left == [(10 * HOUR, "held", "welcome"), (11 * HOUR, "exit", "bought"), (20 * HOUR, "cancelled", "welcome")]


def test_opening_what_was_never_sent_is_told() -> None:
    told = rehearse(definitions(CART), RULES, customer("email"), [(NOON + MINUTE, Seen(Fate.OPENED, "mail"))])
    assert told[0].details == {"problem": "nothing was sent"}


def test_a_moment_that_was_past_when_it_was_set_fires_at_once_and_not_before() -> None:
    first = after(HOUR, "two")
    past = journey("past", "Signed Up", wait("one", first), wait("two", until("entry.was", "welcome")), send("welcome"))
    given: list[tuple[Any, Given]] = [(NOON, event("Signed Up", was="2026-01-01"))]
    told = rehearse(definitions(past), RULES, customer("email"), given)
    assert outcomes(told)[0] == (HOUR, "sent", "welcome")
