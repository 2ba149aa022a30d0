"""Whole lives under the starter's journeys: whatever people do and gateways answer, everybody comes to an end."""

from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dangol.documents import DefinitionSet, read_dir
from dangol.events import Event, Fate
from dangol_journey.journey import Definitions
from dangol_journey.language import compile_definitions
from dangol_journey.post import Rules, rules_of
from dangol_journey.rehearsal import Breaks, Given, Seen, Stage, rehearse, run
from tests.support.journeys import MINUTE, NOON, event, identify, person

STEPS = ["welcome", "mail", "cart-reminder-short", "coupon-expiring", "how-to-use", "review-request"]
texts = st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.booleans(), st.just([]))
moments = st.integers(0, 20 * 24 * 60).map(lambda minutes: NOON + minutes * MINUTE)
names = st.sampled_from(["Signed Up", "Product Added", "Order Completed", "Order Delivered", "purchase"])


def odd(at: datetime, name: str, **properties: Any) -> Event:
    return event(name, at, f"{name} {at} {properties}", **{k: v for k, v in properties.items() if v is not None})


usual = st.builds(
    odd,
    moments,
    names,
    cart_id=st.sampled_from(["c1", "c2"]),
    order_id=st.sampled_from(["o1", "o2"]),
    cart_value=st.sampled_from([40000, 10]),
    revenue=st.integers(0, 100_000),
)
strange = st.builds(odd, moments, names, cart_id=texts, order_id=texts, cart_value=texts, revenue=texts)
consent = st.builds(
    lambda at, agreed, zone: identify(at, f"i {at}", email="a@b.kr", marketing_agreed=agreed, timezone=zone),
    moments,
    st.booleans(),
    st.sampled_from(["Asia/Seoul", "America/New_York", "nowhere", ""]),
)
seen = st.builds(Seen, st.sampled_from([Fate.OPENED, Fate.CLICKED, Fate.DELIVERED]), st.sampled_from(STEPS))
lives = st.lists(
    st.one_of(
        st.one_of(usual, strange, consent).map(lambda one: (one.at, one)),
        st.tuples(moments, st.one_of(seen, st.sampled_from(STEPS).map(Breaks))),
    ),
    max_size=20,
)


@cache
def starter() -> tuple[Definitions, Rules]:
    documents, _ = read_dir(Path(str(files("dangol").joinpath("starter"))))
    definitions = DefinitionSet(1, "default", tuple(documents))
    return compile_definitions(definitions), rules_of(definitions)


@settings(max_examples=150, deadline=None)
@given(lives)
def test_everybody_comes_to_an_end(given_life: list[tuple[datetime, Given]]) -> None:
    stage = Stage(*starter(), person())
    for at, one in given_life:
        stage.plan(at, one)
    run(stage)
    assert stage.person.wake_at is None
    assert [one for one in stage.person.enrolments if one.status == "live"] == []
    said = [one.id for one in stage.messages]
    assert len(said) == len(set(said))
    assert [one.at for one in stage.told] == sorted(one.at for one in stage.told), "the clock never goes back"
    assert all(NOON <= message.at <= NOON + timedelta(days=60) for message in stage.messages)


@settings(max_examples=50, deadline=None)
@given(lives)
def test_a_life_lived_again_is_the_same(given_life: list[tuple[datetime, Given]]) -> None:
    assert rehearse(*starter(), person(), given_life) == rehearse(*starter(), person(), given_life)
