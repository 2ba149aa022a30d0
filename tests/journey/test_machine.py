"""What the machine does with a person's events and moments: the specification of journeys, a rule a test."""

from datetime import timedelta

from msgspec.structs import replace

from dangol.decisions import Entry, Reason, Verdict
from dangol.messages import Cancel
from dangol_journey.entry import MAX_HELD
from dangol_journey.journey import Go, SetTraits, When
from dangol_journey.machine import advance, entry_keys
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
    person,
    send,
    wait,
    when,
)
from tests.support.walks import CART, WELCOME, messages, reasons, templates, verdicts

LATER = journey("later", "Signed Up", wait("day", after(DAY, "hi")), send("hi"))


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

    def test_a_number_is_a_key_however_it_is_written(self) -> None:
        life = Life(definitions(CART))
        for at, cart in enumerate((7, 7.0, "7")):
            life.happens("Product Added", NOON + at * MINUTE, cart_id=cart, cart_value=40000)
        assert [one.key for one in life.person.enrolments] == ["7"]

    def test_nobody_is_inside_of_one_journey_without_end(self) -> None:
        """faults H133: every event of a person costs what the person holds, and others wait for it."""
        life = Life(definitions(CART))
        for cart in range(MAX_HELD + 1):
            told = life.happens("Product Added", NOON + cart * MINUTE, cart_id=cart, cart_value=40000)
        assert reasons(told) == {"cart-recovery": Reason.TOO_MANY}
        assert len(life.person.enrolments) == MAX_HELD
        life.happens("Order Completed", cart_id=0)
        life.forward(6 * DAY)
        assert reasons(life.happens("Product Added", cart_id="c", cart_value=40000)) == {
            "cart-recovery": Reason.MATCHED
        }

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

    def test_the_pairs_an_event_may_enter_are_told_so_that_the_store_can_load_them(self) -> None:
        added = event("Product Added", cart_id="c1")
        assert entry_keys(definitions(CART, WELCOME), added) == ("cart-recovery\x1fc1",)
        assert entry_keys(definitions(CART, WELCOME), event("Signed Up")) == ("welcome\x1f",)
        assert entry_keys(definitions(CART), event("Product Added")) == ()

    def test_another_name_of_an_event_is_that_event(self) -> None:
        life = Life(definitions(WELCOME, aliases={"sign_up": "Signed Up"}))
        assert templates(life.happens("sign_up")) == ["welcome"]

    def test_a_clock_ahead_of_ours_is_taken_as_now(self) -> None:
        life = Life(definitions(LATER))
        ahead = replace(event("Signed Up", NOON + 3650 * DAY), received_at=NOON, traits={"tier": "gold"})
        life.give(ahead, now=NOON)
        assert life.person.wake_at == NOON + DAY
        life.give(identify(NOON + MINUTE, tier="silver"), now=NOON + MINUTE)
        assert life.person.traits == {"tier": "silver"}


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

    def test_a_goal_told_before_its_entry_counts(self) -> None:
        life = Life(definitions(WELCOME))
        life.happens("Order Completed", NOON + HOUR, revenue=39000)
        assert Verdict.CONVERTED in verdicts(life.happens("Signed Up", NOON))

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

    def test_a_state_that_knows_no_moment_wakes_nobody_for_ever(self) -> None:
        life = Life(definitions(LATER))
        life.happens("Signed Up")
        life.definitions = definitions(journey("later", "Signed Up", branch("day", (None, None))))
        assert [one.reason for told in life.forward(2 * DAY) for one in told.decisions] == [Reason.UNPUBLISHED]

    def test_a_bounded_way_back_ends(self) -> None:
        again = Go("again", "hi", 2, None)
        life = Life(
            definitions(journey("nag", "Signed Up", send("hi", "day"), wait("day", after(DAY, "again")), again))
        )
        asked = [*messages(life.happens("Signed Up")), *messages(life.forward(30 * DAY))]
        assert [message.visit for message in asked] == [1, 2, 3]
        assert len({message.id for message in asked}) == 3
        assert life.person.enrolments[0].status == "finished"

    def test_traits_a_step_sets_may_make_true_what_another_journey_waits_for(self) -> None:
        gold = wait("gold", When(when("profile.tier == 'gold'"), "hi"), after(DAY))
        reward = journey(
            "reward",
            "Order Completed",
            SetTraits("set", {"tier": "gold", "orders": when("event.n"), "lost": when("event.no")}, None),
        )
        life = Life(definitions(journey("vip", "Signed Up", gold, send("hi")), reward))
        life.happens("Signed Up")
        assert templates(life.happens("Order Completed", n=3)) == ["hi"]
        assert life.person.traits == {"tier": "gold", "orders": 3}

    def test_a_loop_is_ended(self) -> None:
        always = When(when("event.plan == event.plan"), "back")
        spin = journey("spin", "Signed Up", wait("now", always, after(DAY)), Go("back", "now", 10_000, None))
        told = Life(definitions(spin)).happens("Signed Up", plan="pro")
        assert verdicts(told)[-2:] == [Verdict.LOOP, Verdict.EXITED]

    def test_an_event_that_led_through_too_many_of_our_own_triggers_no_more(self) -> None:
        told = Life(definitions(WELCOME)).give(replace(event("Signed Up"), hops=11))
        assert verdicts(told) == [Verdict.LOOP]


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
