"""What holds of the machine whatever happens: properties over made-up lives."""

from collections import Counter
from datetime import datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dangol.events import Event
from dangol.messages import Facts, Message, Spoken
from dangol_journey.machine import advance
from dangol_journey.model import Input, Person, Wake
from tests.support.journeys import DAY, HOUR, MINUTE, NOON, definitions, event, identify, journey, person, send
from tests.support.walks import CART, WELCOME

THANKS = journey("thanks", "Order Completed", send("thanks"), again=timedelta())
DEFINED = definitions(CART, WELCOME, THANKS)

moments = st.integers(0, 6 * 24 * 60).map(lambda minutes: NOON + minutes * MINUTE)
carts = st.sampled_from(["c1", "c2"])
events = st.one_of(
    st.builds(lambda at: event("Signed Up", at), moments),
    st.builds(
        lambda at, cart: event("Product Added", at, f"p{at}{cart}", cart_id=cart, cart_value=40000), moments, carts
    ),
    st.builds(lambda at, cart: event("Order Completed", at, f"o{at}{cart}", cart_id=cart, revenue=9), moments, carts),
    st.builds(lambda at: identify(at, email=f"a{at.minute}@b.kr"), moments),
)
lives = st.lists(st.one_of(events, moments.map(Wake)), max_size=25, unique_by=lambda one: getattr(one, "id", one))


def live_out(inputs: list[Input]) -> tuple[Person, list[Spoken], list[str]]:
    """Give inputs one at a time, each no earlier than it happened, checking what must hold after each."""
    who, now, spoken, decided = person(), NOON, list[Spoken](), list[str]()
    for given_one in inputs:
        now = max(now, given_one.at)
        out = advance(DEFINED, who, [given_one], now)
        who = out.person
        spoken += out.spoken
        decided += [decision.id for decision in out.decisions]
        _holds(who)
    return who, spoken, decided


def _holds(who: Person) -> None:
    assert msgspec.json.decode(msgspec.json.encode(who), type=Person) == who, "kept as JSON, it is the same"
    inside = Counter((one.journey, one.key) for one in who.enrolments if one.status == "live")
    assert all(count == 1 for count in inside.values()), "two live enrolments of one journey and key"
    due = [one.due_at for one in who.enrolments if one.status == "live" and one.due_at is not None]
    assert who.wake_at == min(due, default=None), "the earliest moment"
    assert all(one.due_at is not None for one in who.enrolments if one.status == "live"), "parked for ever"
    assert all(one.due_at is None for one in who.enrolments if one.status != "live")


@settings(max_examples=150, deadline=None)
@given(lives)
def test_what_holds_after_every_input(inputs: list[Input]) -> None:
    who, spoken, decided = live_out(inputs)
    versions = [one.version for one in spoken if isinstance(one, Facts)]
    assert versions == sorted(set(versions)), "facts rise"
    assert len(decided) == len(set(decided)), "a decision is named once"
    asked = [one.id for one in spoken if isinstance(one, Message)]
    assert len(asked) == len(set(asked)), "a message is asked once"
    known = 0
    for one in spoken:
        known = one.version if isinstance(one, Facts) else known
        assert not isinstance(one, Message) or 0 < one.person_version == known, "facts go ahead"
    assert live_out(inputs) == (who, spoken, decided), "the same again"


@settings(max_examples=100, deadline=None)
@given(lives)
def test_in_one_batch_or_one_by_one_it_is_the_same_life(inputs: list[Input]) -> None:
    now = max([NOON, *(one.at for one in inputs)])
    one_by_one = person()
    for given_one in inputs:
        one_by_one = advance(DEFINED, one_by_one, [given_one], now).person
    together = advance(DEFINED, person(), inputs, now).person
    ended = {one.id for one in one_by_one.enrolments}
    assert [one for one in together.enrolments if one.id in ended] == one_by_one.enrolments
    assert together.wake_at == one_by_one.wake_at


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=12, unique_by=lambda one: one.id).flatmap(st.permutations))
def test_case_38_nobody_is_reminded_of_a_cart_bought_later_in_whatever_order_it_is_told(told: list[Event]) -> None:
    """Caught: an entry not held against what ended it already."""
    now = max([NOON, *(one.at for one in told)])
    who = advance(definitions(CART), person(), told, now).person
    inside = {one.key for one in who.enrolments if one.status == "live"}
    assert not {cart for cart in inside if _last(told, "Order Completed", cart) > _last(told, "Product Added", cart)}


def _last(told: list[Event], name: str, cart: str) -> datetime:
    of_cart = (one.at for one in told if one.name == name and one.properties.get("cart_id") == cart)
    return max(of_cart, default=NOON - DAY)


def test_the_life_of_a_cart_is_as_long_as_it_was_meant() -> None:
    _, spoken, _ = live_out([event("Product Added", NOON, cart_id="c1", cart_value=40000), Wake(NOON + DAY + HOUR)])
    assert [one.template for one in spoken if isinstance(one, Message)] == ["mail"]
