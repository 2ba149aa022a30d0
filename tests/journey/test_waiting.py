"""How long people wait, and for what."""

import dataclasses
from datetime import time, timedelta

import pytest

from dangol.decisions import Verdict
from dangol_journey.journey import When, Window
from dangol_journey.model import Wake
from tests.support.journeys import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Life,
    after,
    definitions,
    event,
    identify,
    journey,
    on,
    send,
    until,
    wait,
    when,
)
from tests.support.walks import CART, messages, reasons, templates

LATER = journey("later", "Signed Up", wait("day", after(DAY, "hi")), send("hi"))
SEEN = journey("seen", "Signed Up", wait("here", on("Page Viewed", "hi"), after(DAY, "bye")), send("hi"), send("bye"))


class TestWaiting:
    def test_a_wait_counts_from_the_moment_of_the_event_not_from_when_it_was_told(self) -> None:
        life = Life(definitions(LATER))
        life.give(event("Signed Up", NOON - 3 * HOUR), now=NOON)
        assert life.person.wake_at == NOON + 21 * HOUR

    def test_from_its_moment_on_a_wait_is_over_though_nobody_woke_it_yet(self) -> None:
        """Caught: an event of the very moment that ends the wait."""
        life = Life(definitions(SEEN))
        life.happens("Signed Up")
        assert templates(life.give(event("Page Viewed", NOON + DAY), now=NOON + DAY)) == []
        assert templates(life.forward(DAY)) == ["bye"]

    def test_nothing_fires_early(self) -> None:
        life = Life(definitions(LATER))
        life.happens("Signed Up")
        assert life.give(Wake(NOON + DAY), now=NOON + DAY - timedelta(microseconds=1)).spoken == []
        assert templates(life.give(Wake(NOON + DAY), now=NOON + DAY)) == ["hi"]

    def test_a_moment_that_is_past_fires_with_the_next_wake(self) -> None:
        life = Life(definitions(LATER))
        life.give(event("Signed Up", NOON - 2 * DAY), now=NOON)
        assert life.person.wake_at == NOON - DAY
        assert templates(life.forward(timedelta())) == ["hi"]

    def test_the_first_way_that_happens_is_taken(self) -> None:
        delivered = on("Order Delivered", "how", where="event.order_id == entry.order_id")
        after_first = journey(
            "after", "Order Completed", wait("here", delivered, after(7 * DAY, "sorry")), send("how"), send("sorry")
        )
        life = Life(definitions(after_first))
        life.happens("Order Completed", order_id="o1")
        assert templates(life.happens("Order Delivered", order_id="o2")) == []
        assert templates(life.happens("Order Delivered", order_id="o1")) == ["how"]
        other = Life(definitions(after_first))
        other.happens("Order Completed", order_id="o1")
        assert templates(other.forward(7 * DAY)) == ["sorry"]

    def test_an_event_counts_from_now_on(self) -> None:
        life = Life(definitions(SEEN))
        life.happens("Page Viewed")
        life.happens("Signed Up")
        assert templates(life.happens("Page Viewed", NOON - MINUTE)) == []
        assert templates(life.happens("Page Viewed", NOON + MINUTE)) == ["hi"]

    def test_an_event_after_the_waits_own_moment_comes_too_late_for_it(self) -> None:
        life = Life(definitions(SEEN))
        life.happens("Signed Up")
        assert templates(life.happens("Page Viewed", NOON + DAY + MINUTE)) == []
        assert templates(life.give(Wake(NOON + DAY))) == ["bye"]

    def test_an_event_another_key_brought_first_is_heard_when_the_wait_begins(self) -> None:
        life = Life(definitions(SEEN))
        life.happens("Page Viewed", NOON + MINUTE)
        assert templates(life.happens("Signed Up", NOON)) == ["hi"]
        assert life.person.enrolments[0].step_at == NOON + MINUTE

    def test_a_state_counts_also_if_it_is_so_already(self) -> None:

        vip = journey(
            "vip", "Signed Up", wait("gold", When(when("profile.tier == 'gold'"), "hi"), after(DAY)), send("hi")
        )
        life = Life(definitions(vip))
        life.give(identify(tier="gold"))
        assert templates(life.happens("Signed Up")) == ["hi"]
        other = Life(definitions(vip))
        other.happens("Signed Up")
        assert templates(other.give(identify(tier="gold"))) == ["hi"]

    def test_since_latest_starts_again_with_each_event_of_the_kind(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        life.forward(20 * HOUR)
        assert reasons(life.happens("Product Added", cart_id="c1", cart_value=50000)) == {
            "cart-recovery": "already_inside"
        }
        assert life.person.wake_at == NOON + 44 * HOUR
        (mail,) = messages(life.forward(24 * HOUR))
        assert mail.values["latest"]["cart_value"] == 50000
        assert mail.values["entry"]["cart_value"] == 40000

    def test_a_moment_that_cannot_be_told_leaves_with_its_reason(self) -> None:
        life = Life(
            definitions(journey("renewal", "Signed Up", wait("till", until("profile.renews_on", "hi")), send("hi")))
        )
        told = life.happens("Signed Up")
        assert told.decisions[-1].verdict is Verdict.EXITED
        assert told.decisions[-1].reason == "unknown: profile.renews_on"

    @pytest.mark.parametrize("departs", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0001-01-01"])
    def test_a_moment_beyond_the_calendar_leaves_as_one_that_cannot_be_told(self, departs: str) -> None:
        """It must not raise: what ten people's browsers can make raise stops the worker for everybody."""
        around = Window(time(9), time(10))
        for between, shift in ((None, -6 * HOUR), (None, 6 * HOUR), (around, timedelta()), (around, -DAY)):
            trip = until("entry.departs", "hi", shift=shift, between=between, earlier=shift < timedelta())
            life = Life(definitions(journey("trip", "Booked", wait("go", trip), send("hi"))))
            told = life.happens("Booked", departs=departs)
            assert [one.status for one in told.person.enrolments] in (["exited"], ["live"])

    def test_a_wait_until_a_trait_moves_with_it(self) -> None:
        life = Life(
            definitions(journey("renewal", "Signed Up", wait("till", until("profile.renews_on", "hi")), send("hi")))
        )
        life.give(identify(renews_on="2026-12-01T00:00:00Z"), event("Signed Up"))
        life.forward(DAY)
        life.give(identify(life.now, renews_on="2026-12-24T00:00:00Z"))
        assert life.person.wake_at is not None
        assert life.person.wake_at.isoformat() == "2026-12-24T00:00:00+00:00"

    def test_after_an_outage_each_wait_counts_from_the_moment_before_it(self) -> None:
        two = journey("two", "Signed Up", wait("one", after(HOUR, "two")), wait("two", after(HOUR, "hi")), send("hi"))
        life = Life(definitions(two))
        life.happens("Signed Up")
        told = life.give(Wake(NOON + DAY), now=NOON + DAY)
        assert [message.at for message in messages(told)] == [NOON + 2 * HOUR]

    def test_a_paused_journey_holds_its_people(self) -> None:
        life = Life(definitions(LATER))
        life.happens("Signed Up")
        life.definitions = definitions(dataclasses.replace(LATER, paused=True))
        assert life.give(Wake(NOON + DAY)).spoken == []
        assert life.person.wake_at == NOON + DAY + 10 * MINUTE
        life.definitions = definitions(LATER)
        assert templates(life.give(Wake(NOON + DAY + 10 * MINUTE))) == ["hi"]

    def test_a_pause_holds_those_on_older_versions_too(self) -> None:
        life = Life(definitions(LATER))
        life.happens("Signed Up")
        newer = dataclasses.replace(LATER, version=2, paused=True)
        life.definitions = definitions(newer, versions={("later", 1): LATER})
        assert life.give(Wake(NOON + DAY)).spoken == []

    def test_what_happens_during_a_pause_counts_when_it_is_over(self) -> None:
        life = Life(definitions(SEEN))
        life.happens("Signed Up")
        life.definitions = definitions(dataclasses.replace(SEEN, paused=True))
        assert templates(life.happens("Page Viewed", NOON + HOUR)) == []
        life.forward(2 * DAY)
        life.definitions = definitions(SEEN)
        assert templates(life.forward(HOUR)) == ["hi"]
