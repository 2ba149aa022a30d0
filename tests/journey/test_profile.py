"""What events tell of a person, and how far it is believed."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from dangol.decisions import Reason, Verdict
from dangol.events import Event, Origin
from dangol.messages import Facts
from dangol_journey.addresses import phone_of
from dangol_journey.journey import Aggregate, ComputedTrait
from dangol_journey.people import new_person
from dangol_journey.traits import profile_of
from tests.support.journeys import DAY, HOUR, MINUTE, NOON, Life, definitions, event, identify, maybe, person
from tests.support.walks import CART


def trait(name: str, aggregate: Aggregate, value: str | None = None, where: str | None = None) -> ComputedTrait:
    return ComputedTrait(name, aggregate, "Order Completed", value, maybe(where))


def browser(given: Event, key: str = "web") -> Event:
    return replace(given, origin=Origin.BROWSER, key_id=key)


NO_ADDRESSES = [{"email": "a@b"}, {"email": 5}, {"phone": "12"}, {"phone": "없음"}, {"email": ""}]


def addresses(life: Life) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.value, one.verified) for one in life.person.addresses]


class TestTraits:
    def test_an_older_event_does_not_overwrite(self) -> None:
        life = Life(definitions())
        life.give(identify(tier="gold"))
        life.give(identify(NOON - DAY, tier="silver", city="Seoul"))
        assert life.person.traits == {"tier": "gold", "city": "Seoul"}

    def test_the_context_of_any_event_may_state_them(self) -> None:
        life = Life(definitions())
        context = {"traits": {"name": "은별"}, "timezone": "Asia/Tokyo", "locale": "ja"}
        life.give(replace(event("Signed Up"), context=context))
        assert profile_of(life.definitions, life.person)["name"] == "은별"
        assert (life.person.zone, life.person.locale) == ("Asia/Tokyo", "ja")

    def test_a_zone_that_is_none_is_not_taken(self) -> None:
        life = Life(definitions())
        life.give(identify(timezone="Seoul"))
        assert life.person.zone is None

    def test_computed_traits_are_those_after_this_event(self) -> None:
        traits = [
            trait("orders", Aggregate.COUNT),
            trait("spent", Aggregate.SUM, "revenue"),
            trait("big_orders", Aggregate.COUNT, where="event.revenue >= 50000"),
            trait("first_shop", Aggregate.FIRST, "shop"),
            trait("last_shop", Aggregate.LAST, "shop"),
        ]
        life = Life(definitions(traits=traits))
        assert profile_of(life.definitions, life.person)["orders"] == 0
        life.happens("Order Completed", NOON, revenue=30000, shop="Mapo")
        life.happens("Order Completed", NOON - HOUR, revenue=60000, shop="Jeju")
        known = profile_of(life.definitions, life.person)
        assert known["orders"] == 2
        assert known["spent"] == 90000
        assert known["big_orders"] == 1
        assert (known["first_shop"], known["last_shop"]) == ("Jeju", "Mapo")

    @pytest.mark.parametrize("revenue", ["30000", True, None, [1]])
    def test_what_is_no_number_is_not_summed(self, revenue: Any) -> None:
        life = Life(definitions(traits=[trait("spent", Aggregate.SUM, "revenue")]))
        life.happens("Order Completed", revenue=revenue)
        assert profile_of(life.definitions, life.person)["spent"] == 0

    def test_a_sum_over_what_a_number_can_say_stays_as_it_was(self) -> None:
        """Else it would be saved as null, and every order of this person after it would raise."""
        life = Life(definitions(traits=[trait("spent", Aggregate.SUM, "revenue")]))
        for revenue in (1e308, 1e308, -1.0):
            life.happens("Order Completed", life.now + MINUTE, revenue=revenue)
        assert profile_of(life.definitions, life.person)["spent"] == pytest.approx(1e308)

    def test_what_happened_in_the_year_one_is_remembered_like_anything_else(self) -> None:
        """faults A17: it must not raise, since what ten people's browsers can make raise stops everybody."""
        life = Life(definitions(CART))
        life.give(replace(event("Order Completed", datetime(1, 1, 2, tzinfo=UTC), cart_id="c1"), received_at=NOON))
        assert len(life.person.remembered) == 1

    def test_what_is_kept_of_one_person_is_bounded(self) -> None:
        """faults H133: a person is loaded with each of its events, and everybody else waits for that."""
        life = Life(definitions(CART))
        for at in range(150):
            stated: dict[str, Any] = {f"long {at}": "x" * 30_000, f"short {at}": at}
            long = replace(identify(NOON + at * MINUTE), traits=stated)
            preferences = {"categoryPreferences": {f"{at}-{one}": True for one in range(10)}}
            given = event("Consent Given", purpose=f"p{at}", channels=["email"] * 500, wording="w" * 20_000)
            life.give(long, replace(given, id=f"c{at}", context={"consent": preferences}))
            life.happens("Order Completed", cart_id=f"{at}" + "x" * 30_000)
        assert len(msgspec.json.encode(life.person)) < 512 * 1024
        assert len([name for name in life.person.traits if name.startswith("short")]) == 150


class TestAddresses:
    @pytest.mark.parametrize(
        ("stated", "placed"),
        [
            ({"email": " Star@Example.TEST "}, ("email", "Star@example.test", True)),
            ({"phone": "010-1234-5678"}, ("phone", "+821012345678", True)),
            ({"phone": "+1 (415) 555-2671"}, ("phone", "+14155552671", True)),
            ({"device_token": "tok"}, ("device", "tok", True)),
        ],
    )
    def test_they_are_normalised(self, stated: dict[str, Any], placed: tuple[str, str, bool]) -> None:
        life = Life(definitions())
        life.give(identify(**stated))
        assert addresses(life) == [placed]

    @pytest.mark.parametrize("stated", NO_ADDRESSES)
    def test_what_can_be_none_is_none(self, stated: dict[str, Any]) -> None:
        life = Life(definitions())
        life.give(identify(**stated))
        assert addresses(life) == []

    def test_what_is_none_is_told_once(self) -> None:
        life = Life(definitions())
        told = life.give(identify(email="a@b", phone="010-1234-5678"))
        assert [(one.verdict, one.reason, one.details) for one in told.decisions if "field" in one.details] == [
            (Verdict.REJECTED, Reason.BAD_ADDRESS, {"field": "email"})
        ]
        again = life.give(identify(NOON + MINUTE, email="a@b"))
        assert not [one for one in again.decisions if "field" in one.details]

    def test_a_newer_one_takes_the_place_of_the_older_and_devices_gather(self) -> None:
        life = Life(definitions())
        life.give(identify(email="a@b.kr", device_token="t1"))
        life.give(identify(NOON + HOUR, email="c@b.kr", device_token="t2"), identify(NOON + MINUTE, email="old@b.kr"))
        assert addresses(life) == [("device", "t1", True), ("email", "c@b.kr", True), ("device", "t2", True)]

    def test_a_browsers_word_counts_for_a_profile_first_seen_with_its_key(self) -> None:
        first = browser(identify(email="a@b.kr"))
        life = Life(definitions(), new_person(first, "p1", NOON))
        life.give(first)
        assert addresses(life) == [("email", "a@b.kr", True)]

    def test_else_it_is_kept_unverified_and_never_takes_a_believed_ones_place(self) -> None:
        life = Life(definitions(), person())
        life.give(identify(email="a@b.kr"))
        life.give(browser(identify(NOON + MINUTE, email="thief@b.kr")))
        assert addresses(life) == [("email", "a@b.kr", True), ("email", "thief@b.kr", False)]
        assert life.person.traits["email"] == "a@b.kr"


class TestConsent:
    def given(self, at: Any = NOON, name: str = "Consent Given", **properties: Any) -> Event:
        return event(name, at, **properties)

    def test_a_statement_goes_to_the_dispatcher_with_its_proof(self) -> None:
        life = Life(definitions())
        told = life.give(self.given(channels=["email", "sms"], night=True, wording="v3", source="signup"))
        (facts,) = told.spoken
        assert isinstance(facts, Facts)
        (statement,) = facts.consents
        assert (statement.channels, statement.night, statement.wording) == (("email", "sms"), True, "v3")
        assert statement.event_id.startswith("Consent Given")

    def test_the_newest_wins_and_a_refusal_wins_a_tie(self) -> None:
        life = Life(definitions())
        life.give(self.given(), self.given(name="Consent Withdrawn"))
        assert [one.granted for one in life.person.consents] == [False]
        life.give(self.given(NOON - HOUR))
        assert [one.granted for one in life.person.consents] == [False]
        life.give(self.given(NOON + HOUR))
        assert [one.granted for one in life.person.consents] == [True]

    def test_a_consent_trait_states_once_so_it_never_takes_back_a_withdrawal(self) -> None:
        life = Life(definitions(consent_traits={"marketing_agreed": ("marketing", ("email",))}))
        life.give(identify(marketing_agreed=True))
        life.give(self.given(NOON + HOUR, "Consent Withdrawn", channels=["email"]))
        life.give(identify(NOON + DAY, marketing_agreed=True))
        assert [one.granted for one in life.person.consents] == [False]

    def test_segments_consent_context(self) -> None:
        life = Life(definitions())
        life.give(replace(event("Signed Up"), context={"consent": {"categoryPreferences": {"Marketing": True}}}))
        (statement,) = life.person.consents
        assert (statement.purpose, statement.channels, statement.granted) == ("marketing", ("all",), True)

    def test_a_browser_states_none_for_a_profile_it_did_not_bring(self) -> None:
        life = Life(definitions(), person())
        life.give(browser(self.given()))
        assert life.person.consents == []


class TestPhonesWithoutACountry:
    """The brand's country comes before the person's language: a browser in English is no American phone."""

    @pytest.mark.parametrize(
        ("written", "locales", "e164"),
        [
            ("010-1234-5678", ("ko", "en-US"), "+821012345678"),
            ("010-1234-5678", ("ko", "ja-JP"), "+821012345678"),
            ("(650) 253-0000", ("ko", "en-US"), "+16502530000"),
            ("+44 20 7946 0958", ("ko",), "+442079460958"),
            ("12", ("ko", "en-US"), None),
            ("010-1234-5678", ("",), None),
        ],
    )
    def test_the_first_country_that_has_the_number(
        self, written: str, locales: tuple[str, ...], e164: str | None
    ) -> None:
        assert phone_of(written, locales) == e164
