"""A draft journey over recorded events."""

from importlib.resources import files
from pathlib import Path

import pytest
from msgspec.structs import replace

from dangol.documents import DefinitionSet, read_dir
from dangol.errors import NotFound
from dangol.events import Event
from dangol_journey.simulation import simulate
from tests.support.journeys import HOUR, NOON, event, identify


def starter() -> DefinitionSet:
    documents, _ = read_dir(Path(str(files("dangol").joinpath("starter"))))
    return DefinitionSet(1, "default", tuple(documents))


def of(who: str, given: Event, visitor: str | None = None) -> Event:
    return replace(given, id=f"{who} {given.id}", user_id=who if visitor is None else None, anonymous_id=visitor)


def test_it_counts_who_entered_what_was_said_and_why_not() -> None:
    recorded: list[Event] = []
    for who, value in {"a": 40000, "b": 40000, "c": 40000, "d": 100}.items():
        recorded.append(of(who, event("Product Added", NOON + HOUR, cart_id=who, cart_value=value)))
    recorded.append(of("a", identify(NOON, email="a@b.kr", marketing_agreed=True)))
    recorded.append(of("b", event("Order Completed", NOON + 2 * HOUR, cart_id="b", revenue=40000)))
    found = simulate(starter(), "cart-recovery", recorded)
    assert (found.people, found.entered, found.converted) == (4, 3, 1)
    assert found.refused == {"where_not_met": 1}
    assert found.messages["sent cart-reminder by email"] == 1
    assert found.messages["dropped cart-reminder no_consent"] == 1
    assert found.ends == {"finished": 2, "exit bought": 1}
    assert set(found.lives) == {"a", "b", "c"}


def test_a_visitor_who_is_once_known_is_that_person_from_the_beginning() -> None:
    added = of("v1", event("Product Added", NOON, cart_id="c", cart_value=40000), visitor="v1")
    bought = replace(of("u", event("Order Completed", NOON + HOUR, cart_id="c")), anonymous_id="v1")
    found = simulate(starter(), "cart-recovery", [bought, added])
    assert (found.people, found.ends) == (1, {"exit bought": 1})


def test_a_journey_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        simulate(starter(), "no-such", [])
