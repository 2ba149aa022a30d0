"""Two profiles become one; a person is forgotten."""

from msgspec.structs import replace

from dangol.decisions import Reason, Verdict
from dangol.events import Event, Origin
from dangol.messages import Cancel, Facts
from dangol_journey.journey import Aggregate, ComputedTrait
from dangol_journey.machine import erase, merge
from dangol_journey.traits import profile_of
from tests.support.journeys import DAY, HOUR, NOON, Life, definitions, event, identify, person
from tests.support.walks import CART, WELCOME, messages

ORDERS = ComputedTrait("orders", Aggregate.COUNT, "Order Completed", None, None)
DEFINED = definitions(CART, WELCOME, traits=[ORDERS])
CONSENTING = definitions(CART, consent_traits={"agreed": ("marketing", ("email",))})


def by_browser(said: Event) -> Event:
    return replace(said, origin=Origin.BROWSER, key_id="browser-1", user_id=None, anonymous_id="a2")


def visitor() -> Life:
    return Life(DEFINED, person("p2", user_id=None, key="default/a1", anonymous_ids=["a1"]))


def test_the_earlier_enrolment_stays_and_the_other_leaves_as_merged() -> None:
    known, anonymous = Life(DEFINED), visitor()
    known.happens("Product Added", NOON + HOUR, cart_id="c1", cart_value=40000)
    anonymous.happens("Product Added", NOON, cart_id="c1", cart_value=50000)
    merged = merge(DEFINED, known.person, anonymous.person, NOON + 2 * HOUR)
    assert [(one.entered_at, one.status) for one in merged.person.enrolments] == [
        (NOON, "live"),
        (NOON + HOUR, "merged"),
    ]
    assert merged.person.wake_at == NOON + DAY
    assert [one.reason for one in merged.decisions] == [Reason.MERGED_AWAY, Reason.MATCHED]


def test_facts_of_both_are_said_and_the_loser_names_the_winner() -> None:
    known, anonymous = Life(DEFINED), visitor()
    known.give(identify(email="a@b.kr"))
    anonymous.give(identify(NOON, phone="010-1234-5678"), event("Consent Given", NOON))
    merged = merge(DEFINED, known.person, anonymous.person, NOON)
    winner, loser = (one for one in merged.spoken if isinstance(one, Facts))
    assert {one.kind for one in winner.addresses} == {"email", "phone"}
    assert winner.consents
    assert (loser.profile, loser.merged_into) == ("p2", "p1")
    assert loser.version == anonymous.person.version + 1
    assert merged.absorbed is not None
    assert merged.absorbed.merged_into == "p1"
    assert known.person.anonymous_ids == []


def test_counts_add_up_and_the_newer_trait_wins() -> None:
    known, anonymous = Life(DEFINED), visitor()
    known.give(event("Order Completed"), identify(NOON, tier="gold", city="Seoul"))
    anonymous.give(event("Order Completed", id="other"), identify(NOON + HOUR, tier="silver"))
    traits = profile_of(DEFINED, merge(DEFINED, known.person, anonymous.person, NOON).person)
    assert (traits["orders"], traits["tier"], traits["city"]) == (2, "silver", "Seoul")


def test_an_exit_that_one_told_ends_what_the_other_began_before_it() -> None:
    known, anonymous = Life(DEFINED), visitor()
    anonymous.happens("Product Added", NOON, cart_id="c1", cart_value=50000)
    known.happens("Order Completed", NOON + HOUR, cart_id="c1")
    merged = merge(DEFINED, known.person, anonymous.person, NOON + 2 * HOUR)
    assert [(one.status, one.end_reason) for one in merged.person.enrolments] == [("exited", "bought")]


def test_merging_changes_neither_of_the_two_given() -> None:
    known, anonymous = Life(DEFINED), visitor()
    known.happens("Product Added", NOON, cart_id="c1", cart_value=40000)
    anonymous.happens("Product Added", NOON + HOUR, cart_id="c1", cart_value=40000)
    merge(DEFINED, known.person, anonymous.person, NOON)
    assert [one.status for one in (*known.person.enrolments, *anonymous.person.enrolments)] == ["live", "live"]


def test_the_erased_are_out_of_everything_and_nothing_of_them_is_left() -> None:
    life = Life(DEFINED)
    life.give(identify(name="은별", email="a@b.kr"))
    (message,) = messages(life.happens("Signed Up", shoe="240"))
    gone = erase(DEFINED, life.person, NOON + HOUR)
    cancel, facts = gone.spoken
    assert isinstance(cancel, Cancel)
    assert cancel.id == message.id
    assert isinstance(facts, Facts)
    assert facts.erased
    assert [one.verdict for one in gone.decisions] == [Verdict.EXITED]
    left = repr((gone.person, gone.decisions))
    assert not any(trace in left for trace in ("은별", "a@b.kr", "240", "u1"))
    assert not facts.addresses
    assert gone.person.wake_at is None


def test_what_a_strangers_browser_said_of_itself_is_not_the_known_persons() -> None:
    """faults G114: signing in as somebody else takes neither their messages nor their word."""
    known, stranger = Life(CONSENTING), Life(CONSENTING, person("p2", user_id=None, first_key_id="browser-1"))
    known.give(identify(email="minji@b.kr", agreed=False))
    stranger.give(by_browser(identify(NOON + HOUR, email="mine@evil.kr", phone="010-1234-5678", agreed=True)))
    merged = merge(CONSENTING, known.person, stranger.person, NOON + 2 * HOUR)
    assert [(one.value, one.verified) for one in merged.person.addresses if one.verified] == [("minji@b.kr", True)]
    assert merged.person.traits["email"] == "minji@b.kr"
    assert [one.granted for one in merged.person.consents] == [False]
    winner, loser = (one for one in merged.spoken if isinstance(one, Facts))
    assert not winner.consents
    assert loser.doubtful


def test_a_visitors_refusal_counts_and_a_device_of_the_same_site_is_believed() -> None:
    known, stranger = Life(CONSENTING), Life(CONSENTING, person("p2", user_id=None, first_key_id="browser-1"))
    known.give(identify(email="minji@b.kr", agreed=True))
    stranger.give(by_browser(identify(NOON + HOUR, email="new@b.kr", agreed=False)))
    refused = merge(CONSENTING, known.person, stranger.person, NOON + 2 * HOUR).person
    assert [one.granted for one in refused.consents] == [False]
    known.person.first_key_id = "browser-1"
    believed = merge(CONSENTING, known.person, stranger.person, NOON + 2 * HOUR).person
    assert [one.value for one in believed.addresses] == ["new@b.kr"]
