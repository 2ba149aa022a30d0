"""What the machine does with a person's events and moments: the specification of journeys, a rule a test."""

import dataclasses
from datetime import timedelta

from msgspec.structs import replace

from dangol.decisions import Entry, Reason, Verdict
from dangol.messages import Cancel
from dangol_journey.machine import advance
from dangol_journey.model import Wake, When
from tests.support.journeys import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Life,
    after,
    branch,
    definitions,
    event,
    identify,
    journey,
    on,
    person,
    send,
    until,
    wait,
    when,
)
from tests.support.walks import CART, WELCOME, messages, reasons, templates, verdicts

LATER = journey("later", "Signed Up", wait("day", after(DAY, "hi")), send("hi"))
SEEN = journey("seen", "Signed Up", wait("here", on("Page Viewed", "hi"), after(DAY, "bye")), send("hi"), send("bye"))
RENEWAL = journey("renewal", "Signed Up", wait("till", until("profile.renews_on", "hi")), send("hi"))


class TestEntering:
    def test_an_event_enters_and_walks_until_something_is_awaited(self) -> None:
        told = Life(definitions(WELCOME)).happens("Signed Up")
        assert templates(told) == ["welcome"]
        assert verdicts(told) == [Verdict.CONSIDERED, Verdict.ISSUED, Verdict.ASKED]
        assert reasons(told) == {"welcome": Reason.MATCHED}

    def test_every_journey_whose_entry_matched_answers_in_one_decision(self) -> None:
        other = journey("greeting", "Signed Up", send("hello"), where="event.plan == 'pro'")
        told = Life(definitions(WELCOME, other)).happens("Signed Up", plan="free")
        (considered,) = [one for one in told.decisions if one.verdict is Verdict.CONSIDERED]
        assert [entry.journey for entry in considered.entries] == ["welcome", "greeting"]
        assert reasons(told) == {"welcome": Reason.MATCHED, "greeting": Reason.WHERE_NOT_MET}

    def test_an_event_that_no_journey_names_is_not_considered(self) -> None:
        assert Life(definitions(WELCOME)).happens("Page Viewed").decisions == []

    def test_a_value_that_is_not_there_is_named(self) -> None:
        told = Life(definitions(CART)).happens("Product Added", cart_id="c1")
        assert reasons(told) == {"cart-recovery": "unknown: event.cart_value"}

    def test_an_event_without_its_key_does_not_enter(self) -> None:
        for cart in ({}, {"cart_id": ""}, {"cart_id": ["c1"]}, {"cart_id": "c" * 257}):
            told = Life(definitions(CART)).happens("Product Added", cart_value=30000, **cart)
            assert reasons(told) == {"cart-recovery": Reason.NO_KEY}

    def test_each_key_is_its_own_enrolment(self) -> None:
        life = Life(definitions(CART))
        for cart in ("c1", "c2", "c1"):
            life.happens("Product Added", cart_id=cart, cart_value=40000)
        assert [one.key for one in life.person.enrolments] == ["c1", "c2"]

    def test_never_again_unless_said(self) -> None:
        life = Life(definitions(WELCOME))
        life.happens("Signed Up")
        life.forward(2 * DAY)
        assert reasons(life.happens("Signed Up")) == {"welcome": Reason.ENTERED_BEFORE}

    def test_again_after_a_span(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        life.happens("Order Completed", cart_id="c1")
        life.forward(6 * DAY)
        refused = life.happens("Product Added", cart_id="c1", cart_value=40000)
        assert reasons(refused) == {"cart-recovery": Reason.ENTERED_BEFORE}
        life.forward(1 * DAY)
        again = life.happens("Product Added", cart_id="c1", cart_value=40000)
        assert reasons(again) == {"cart-recovery": Reason.MATCHED}

    def test_again_always(self) -> None:
        life = Life(definitions(journey("thanks", "Order Completed", send("thanks"), again=timedelta())))
        for _ in range(2):
            message = messages(life.happens("Order Completed"))[0]
            life.fate("Message Sent", message)
            life.forward(MINUTE)
        assert reasons(life.happens("Order Completed")) == {"thanks": Reason.MATCHED}

    def test_an_event_told_too_late_does_not_trigger(self) -> None:
        life = Life(definitions(WELCOME))
        assert reasons(life.give(event("Signed Up", NOON - 73 * HOUR), now=NOON)) == {"welcome": Reason.TOO_LATE}
        assert reasons(life.give(event("Signed Up", NOON - 71 * HOUR), now=NOON)) == {"welcome": Reason.MATCHED}

    def test_backfilled_events_tell_and_never_trigger(self) -> None:
        life = Life(definitions(WELCOME))
        told = life.give(replace(event("Signed Up"), backfill=True))
        assert reasons(told) == {"welcome": Reason.BACKFILLED}
        assert messages(told) == []

    def test_a_paused_journey_lets_nobody_in(self) -> None:
        told = Life(definitions(journey("welcome", "Signed Up", send("hi"), paused=True))).happens("Signed Up")
        assert reasons(told) == {"welcome": Reason.PAUSED}

    def test_an_entry_whose_end_was_told_before_it_is_already_over(self) -> None:
        life = Life(definitions(CART))
        life.happens("Order Completed", NOON + HOUR, cart_id="c1")
        told = life.happens("Product Added", NOON, cart_id="c1", cart_value=40000)
        assert reasons(told) == {"cart-recovery": Reason.ALREADY_OVER}
        assert (
            reasons(life.happens("Product Added", NOON, cart_id="c2", cart_value=40000))["cart-recovery"] == "matched"
        )

    def test_the_control_group_is_drawn_by_person_and_journey_and_walks_along(self) -> None:
        half = journey("half", "Signed Up", send("hi"), holdout=5000)
        drawn = []
        for number in range(1000):
            life = Life(definitions(half), person(f"p{number}"))
            drawn.append(messages(life.happens("Signed Up"))[0].holdout)
        assert 430 < sum(drawn) < 570

    def test_another_name_of_an_event_is_that_event(self) -> None:
        life = Life(definitions(WELCOME, aliases={"sign_up": "Signed Up"}))
        assert templates(life.happens("sign_up")) == ["welcome"]


class TestWaiting:
    def test_a_wait_counts_from_the_moment_of_the_event_not_from_when_it_was_told(self) -> None:
        life = Life(definitions(LATER))
        life.give(event("Signed Up", NOON - 3 * HOUR), now=NOON)
        assert life.person.wake_at == NOON + 21 * HOUR

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
        seen = journey(
            "seen", "Signed Up", wait("here", on("Page Viewed", "hi"), after(DAY, "bye")), send("hi"), send("bye")
        )
        life = Life(definitions(seen))
        life.happens("Page Viewed")
        life.happens("Signed Up")
        assert templates(life.happens("Page Viewed", NOON - MINUTE)) == []
        assert templates(life.happens("Page Viewed", NOON + MINUTE)) == ["hi"]

    def test_an_event_after_the_waits_own_moment_comes_too_late_for_it(self) -> None:
        seen = journey(
            "seen", "Signed Up", wait("here", on("Page Viewed", "hi"), after(DAY, "bye")), send("hi"), send("bye")
        )
        life = Life(definitions(seen))
        life.happens("Signed Up")
        assert templates(life.happens("Page Viewed", NOON + DAY + MINUTE)) == []
        assert templates(life.give(Wake(NOON + DAY))) == ["bye"]

    def test_an_event_another_key_brought_first_is_heard_when_the_wait_begins(self) -> None:
        seen = journey(
            "seen", "Signed Up", wait("here", on("Page Viewed", "hi"), after(DAY, "bye")), send("hi"), send("bye")
        )
        life = Life(definitions(seen))
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


class TestLeaving:
    def test_an_exit_frees_the_timer_at_once(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        told = life.happens("Order Completed", NOON + HOUR, cart_id="c1")
        assert life.person.wake_at is None
        (left,) = [one for one in told.decisions if one.verdict is Verdict.EXITED]
        assert left.details == {"as": "bought", "at": NOON + HOUR}
        assert life.person.enrolments[0].ended_at == NOON + HOUR

    def test_an_exit_compares_with_the_entry(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        life.happens("Order Completed", cart_id="another")
        assert life.person.enrolments[0].status == "live"

    def test_what_happened_before_the_entry_does_not_end_it(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        life.happens("Order Completed", NOON - HOUR, cart_id="c1")
        assert life.person.enrolments[0].status == "live"

    def test_leaving_takes_back_what_is_not_yet_said(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        (mail,) = messages(life.forward(DAY))
        (cancel,) = [one for one in life.happens("Order Completed", cart_id="c1").spoken if isinstance(one, Cancel)]
        assert cancel.id == mail.id

    def test_a_goal_counts_and_does_not_leave(self) -> None:
        life = Life(definitions(WELCOME))
        life.happens("Signed Up")
        told = life.happens("Order Completed", NOON + MINUTE, revenue=39000)
        (converted,) = [one for one in told.decisions if one.verdict is Verdict.CONVERTED]
        assert converted.details["value"] == 39000
        assert life.person.enrolments[0].status == "live"

    def test_a_goal_is_reached_also_after_the_end_and_once(self) -> None:
        life = Life(definitions(WELCOME))
        life.happens("Signed Up")
        life.forward(DAY)
        assert life.person.enrolments[0].status == "finished"
        assert Verdict.CONVERTED in verdicts(life.happens("Order Completed", life.now))
        assert Verdict.CONVERTED not in verdicts(life.happens("Order Completed", life.now + MINUTE))

    def test_a_goal_after_its_span_is_none(self) -> None:
        life = Life(definitions(WELCOME))
        life.happens("Signed Up")
        life.forward(8 * DAY)
        assert Verdict.CONVERTED not in verdicts(life.happens("Order Completed"))

    def test_a_branch_takes_the_first_way_that_is_true(self) -> None:
        ways = branch("tier", ("profile.tier == 'VIP'", "call"), (None, "miss"))
        risk = journey("risk", "Silent", ways, send("call", by=("slack",), to="#vip"), send("miss"))
        vip, other = Life(definitions(risk)), Life(definitions(risk))
        vip.give(identify(tier="VIP"))
        assert templates(vip.happens("Silent")) == ["call"]
        assert templates(other.happens("Silent")) == ["miss"]


class TestReplaying:
    def test_the_same_inputs_give_the_same_answer(self) -> None:
        defined, who = definitions(WELCOME, CART), person()
        inputs = [identify(email="a@b.kr"), event("Signed Up"), event("Product Added", cart_id="c1", cart_value=40000)]
        assert advance(defined, who, inputs, NOON) == advance(defined, who, inputs, NOON)
        assert who == person()

    def test_a_replay_at_another_time_names_messages_and_decisions_alike(self) -> None:
        defined = definitions(WELCOME)
        first = advance(defined, person(), [event("Signed Up")], NOON)
        again = advance(defined, person(), [event("Signed Up")], NOON + HOUR)
        assert [one.id for one in first.decisions] == [one.id for one in again.decisions]
        assert [one.id for one in messages(first)] == [one.id for one in messages(again)]

    def test_those_inside_stay_on_their_version(self) -> None:
        old = journey("later", "Signed Up", wait("day", after(DAY, "old")), send("old"), version=1)
        new = journey("later", "Signed Up", wait("day", after(DAY, "new")), send("new"), version=2)
        life = Life(definitions(old))
        life.happens("Signed Up")
        life.definitions = definitions(new, versions={("later", 1): old})
        assert templates(life.forward(DAY)) == ["old"]

    def test_a_journey_that_is_no_more_is_left(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        life.definitions = definitions()
        (told,) = life.forward(DAY)
        assert [one.reason for one in told.decisions] == [Reason.UNPUBLISHED]

    def test_an_erased_person_stays_forgotten(self) -> None:
        life = Life(definitions(WELCOME), person(erased=True))
        told = life.happens("Signed Up", email="a@b.kr")
        assert told.spoken == []
        assert life.person.traits == {}

    def test_an_entry_names_the_enrolment_it_began(self) -> None:
        told = Life(definitions(WELCOME)).happens("Signed Up")
        (entry,) = told.decisions[0].entries
        assert isinstance(entry, Entry)
        assert entry.enrolment == told.person.enrolments[0].id
