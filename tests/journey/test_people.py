"""Whom an event is about: the rules of identity."""

import pytest
from msgspec.structs import replace

from dangol.events import Event, Kind, Origin
from dangol_journey.people import (
    Here,
    Identity,
    Join,
    Known,
    Link,
    Move,
    New,
    Nobody,
    Refused,
    clean_id,
    identities_of,
    resolve,
)
from tests.support.journeys import event

USER: Identity = ("user", "u1")
VISITOR: Identity = ("anonymous", "a1")


def by(user: str | None = None, visitor: str | None = None) -> Event:
    return replace(event("Page Viewed"), user_id=user, anonymous_id=visitor)


def alias(user: str, previous: str, origin: Origin = Origin.SERVER) -> Event:
    return replace(by(user), kind=Kind.ALIAS, previous_id=previous, origin=origin)


@pytest.mark.parametrize("value", ["null", "undefined", "0", "[object Object]", " ", "", None, "NaN", "x" * 257])
def test_what_programs_write_for_nobody_is_no_id(value: str | None) -> None:
    assert clean_id(value) is None
    assert resolve(by(value), {}) == Nobody()


def test_an_id_is_trimmed() -> None:
    assert identities_of(by(" u1 ", "a1")) == (USER, VISITOR)


def test_an_unknown_id_is_a_new_profile() -> None:
    assert resolve(by("u1"), {}) == New((USER,))
    assert resolve(by(None, "a1"), {}) == New((VISITOR,))
    assert resolve(by("u1", "a1"), {}) == New((USER, VISITOR))


def test_a_known_id_is_its_profile() -> None:
    assert resolve(by("u1"), {USER: Known("p", "u1")}) == Here("p")
    assert resolve(by("u1", "a1"), {USER: Known("p", "u1"), VISITOR: Known("p", "u1")}) == Here("p")


def test_a_visitor_who_signs_up_keeps_the_profile() -> None:
    assert resolve(by("u1", "a1"), {VISITOR: Known("p", None)}) == Link("p", (USER,))


def test_a_new_device_of_a_known_person_is_linked() -> None:
    assert resolve(by("u1", "a1"), {USER: Known("p", "u1")}) == Link("p", (VISITOR,))


def test_a_visitor_who_logs_in_joins_the_known_person() -> None:
    assert resolve(by("u1", "a1"), {USER: Known("p", "u1"), VISITOR: Known("q", None)}) == Join("p", "q")


def test_a_shared_tablet_moves_to_the_person_who_logs_in_and_its_past_stays() -> None:
    others = {VISITOR: Known("q", "u2")}
    assert resolve(by("u1", "a1"), {USER: Known("p", "u1")} | others) == Move("p", (VISITOR,))
    assert resolve(by("u1", "a1"), others) == New((USER, VISITOR), moved=(VISITOR,))


def test_two_known_people_join_only_by_an_alias_with_a_secret_key() -> None:
    both: dict[Identity, Known] = {USER: Known("p", "u1"), ("user", "u2"): Known("q", "u2")}
    assert resolve(alias("u1", "u2"), both) == Refused("p", "q")
    assert resolve(alias("u1", "u2", Origin.BROWSER), both) == Refused("p", "q")
    assert resolve(alias("u1", "u2", Origin.SECRET), both) == Join("p", "q")


def test_an_alias_joins_a_visitor_to_a_person() -> None:
    both: dict[Identity, Known] = {USER: Known("p", "u1"), VISITOR: Known("q", None)}
    assert resolve(alias("u1", "a1"), both) == Join("p", "q")
    assert resolve(alias("u1", "a1"), {VISITOR: Known("q", None)}) == Link("q", (USER,))
    assert resolve(alias("u1", "a1"), {USER: Known("p", "u1")}) == Link("p", (VISITOR,))
    assert resolve(alias("u1", "a1"), {}) == New((USER, VISITOR))


def test_a_second_user_id_for_a_known_person_needs_a_secret_key() -> None:
    known: dict[Identity, Known] = {("user", "old"): Known("q", "old")}
    assert resolve(alias("u1", "old", Origin.SECRET), known) == Link("q", (USER,))
    assert resolve(alias("u1", "old"), known) == New((USER,))
