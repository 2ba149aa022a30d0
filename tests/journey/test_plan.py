"""Whom each event of a batch is about, given what the ones before it did."""

from datetime import UTC, datetime, timedelta

from dangol.events import Event, Kind, Origin
from dangol_journey.people import Known
from dangol_journey.plan import Apply, Take, Unite, plan
from tests.support.workshops import did

AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
U1, A1 = ("default", "user", "u1"), ("default", "anonymous", "a1")


def seen(user: str | None, anonymous: str | None = None, id: str = "1") -> Event:
    return did("Page Viewed", user=user, anonymous_id=anonymous, id=id, at=AT)


def test_a_new_person_is_claimed_once_for_all_its_events() -> None:
    made = plan([seen("u1"), seen("u1", id="2")], {}, {})
    (profile,) = made.new
    assert made.claims == {U1: profile}
    assert [act.profile for act in made.acts if isinstance(act, Apply)] == [profile, profile]


def test_the_same_events_make_the_same_profile() -> None:
    assert plan([seen("u1")], {}, {}).new == plan([seen("u1")], {}, {}).new


def test_signing_in_links_the_visitor_made_earlier_in_the_batch() -> None:
    made = plan([seen(None, "a1"), seen("u1", "a1", "2")], {}, {})
    (profile,) = made.new
    assert made.claims == {U1: profile, A1: profile}
    assert made.unions == []


def test_a_visitor_and_a_known_person_unite_and_the_ids_move() -> None:
    made = plan([seen("u1", "a1")], {U1: Known("p1", "u1"), A1: Known("p2", None)}, {})
    assert made.unions == [("p1", "p2")]
    assert made.moves == {A1: "p1"}
    assert [type(act) for act in made.acts] == [Unite, Apply]
    assert made.profiles({U1: Known("p1", "u1"), A1: Known("p2", None)}) == {"p1", "p2"}


def test_a_shared_tablet_is_taken_from_who_had_it() -> None:
    made = plan([seen("u2", "a1")], {A1: Known("p1", "u1")}, {})
    (profile,) = made.new
    assert Take("p1", ("anonymous", "a1")) in made.acts
    assert made.moves == {A1: profile}


def test_an_alias_and_what_follows_it_are_about_the_winner() -> None:
    known = {U1: Known("p1", "u1"), ("default", "user", "u2"): Known("p2", "u2")}
    alias = did("Aliased", user="u1", previous_id="u2", kind=Kind.ALIAS, origin=Origin.SECRET, id="1", at=AT)
    made = plan([alias, seen("u2", id="2")], known, {})
    assert [act.profile for act in made.acts if isinstance(act, Apply)] == ["p1", "p1"]


def test_an_event_of_an_erased_person_counts_only_when_it_is_newer() -> None:
    made = plan([seen("u1")], {}, {U1: AT})
    assert (made.acts, [event.id for event in made.erased]) == ([], ["1"])
    assert plan([seen("u1")], {}, {U1: AT - timedelta(seconds=1)}).erased == []


def test_workspaces_never_meet() -> None:
    made = plan([seen("u1"), did("Page Viewed", user="u1", workspace="other", at=AT)], {}, {})
    assert len(made.new) == 2
