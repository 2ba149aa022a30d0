"""What a step that sends asks for, and how it hears what became of it."""

import dataclasses

from dangol.decisions import Verdict
from dangol.messages import Facts, Message
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
    send,
    wait,
)
from tests.support.walks import CART, WELCOME, messages, templates


class TestSending:
    def test_facts_go_ahead_of_a_message_that_relies_on_them(self) -> None:
        life = Life(definitions(WELCOME))
        facts, message = life.give(identify(email="a@b.kr"), event("Signed Up")).spoken
        assert isinstance(facts, Facts)
        assert isinstance(message, Message)
        assert facts.version == message.person_version == 1
        assert [address.value for address in facts.addresses] == ["a@b.kr"]

    def test_facts_are_said_again_only_when_they_change(self) -> None:
        life = Life(definitions())
        assert len(life.give(identify(email="a@b.kr")).spoken) == 1
        assert life.give(identify(NOON + MINUTE, email="a@b.kr")).spoken == []
        (facts,) = life.give(identify(NOON + MINUTE, id="2", email="c@b.kr")).spoken
        assert isinstance(facts, Facts)
        assert facts.version == 2

    def test_the_next_wait_counts_from_the_hand_over(self) -> None:
        two = journey("two", "Signed Up", send("hi", "day"), wait("day", after(DAY, "more")), send("more"))
        life = Life(definitions(two))
        (message,) = messages(life.happens("Signed Up"))
        life.fate("Message Sent", message, NOON + 9 * HOUR)
        assert life.person.wake_at == NOON + 33 * HOUR

    def test_within_tells_when_it_is_worthless(self) -> None:
        (message,) = messages(Life(definitions(WELCOME)).happens("Signed Up"))
        assert message.expires_at == NOON + HOUR

    def test_case_67_otherwise_is_for_what_was_not_sent(self) -> None:
        """Caught: `unknown` taken for not sent."""
        for fate, then in {
            "Message Dropped": ["welcome-plain"],
            "Message Failed": ["welcome-plain"],
            "Message Expired": ["welcome-plain"],
            "Message Sent": [],
            "Message Unknown": [],
        }.items():
            life = Life(definitions(WELCOME))
            (message,) = messages(life.happens("Signed Up"))
            assert templates(life.fate(fate, message, reason="no_consent")) == then

    def test_the_control_group_goes_on_as_if_sent(self) -> None:
        life = Life(definitions(WELCOME))
        (message,) = messages(life.happens("Signed Up"))
        assert templates(life.fate("Message Dropped", message, reason="holdout")) == []
        assert life.person.enrolments[0].status == "finished"

    def test_a_fate_that_was_lost_parks_nobody_for_ever(self) -> None:
        life = Life(definitions(WELCOME))
        life.happens("Signed Up")
        assert life.person.wake_at == NOON + 2 * HOUR
        life.forward(2 * HOUR)
        assert life.person.enrolments[0].status == "finished"

    def test_only_we_can_tell_a_fate(self) -> None:
        life = Life(definitions(WELCOME))
        (message,) = messages(life.happens("Signed Up"))
        forged = {"message_id": message.id, "enrolment": message.enrolment, "step": "welcome", "visit": 1}
        life.happens("Message Dropped", NOON + MINUTE, **forged)
        assert life.person.enrolments[0].sends["welcome"].fate is None

    def test_an_open_is_a_persons_never_a_machines(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        (mail,) = messages(life.forward(DAY))
        life.fate("Message Sent", mail)
        assert life.person.enrolments[0].state == "unopened"
        life.fate("Message Opened", mail, life.now + MINUTE, machine=True)
        assert life.person.enrolments[0].state == "unopened"
        life.fate("Message Delivered", mail, life.now + MINUTE)
        assert life.person.enrolments[0].state == "unopened"
        life.fate("Message Opened", mail, life.now + HOUR)
        assert life.person.enrolments[0].state == "last-call"

    def test_an_open_told_before_the_hand_over_counts_when_it_is_waited_for(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        (mail,) = messages(life.forward(DAY))
        life.fate("Message Opened", mail, life.now + MINUTE)
        assert life.person.enrolments[0].state == "last-call"

    def test_a_coupons_expiry_is_known_to_the_steps_after_it(self) -> None:
        life = Life(definitions(CART))
        life.happens("Product Added", cart_id="c1", cart_value=40000)
        (mail,) = messages(life.forward(DAY))
        assert mail.coupons["gift"].expires_at == NOON + 4 * DAY
        life.fate("Message Opened", mail)
        assert life.person.wake_at == NOON + 4 * DAY - 6 * HOUR

    def test_a_big_message_is_cut_and_says_so(self) -> None:
        life = Life(definitions(WELCOME))
        told = life.happens("Signed Up", story="x" * 40_000)
        (message,) = messages(told)
        assert set(message.values) == {"profile", "gift"}
        (asked,) = [one for one in told.decisions if one.verdict is Verdict.ASKED]
        assert asked.details["cut"] == ["context", "latest", "entry", "event"]

    def test_a_fate_told_during_a_pause_leads_on_when_it_is_over(self) -> None:
        life = Life(definitions(WELCOME))
        (message,) = messages(life.happens("Signed Up"))
        life.definitions = definitions(dataclasses.replace(WELCOME, paused=True))
        assert messages(life.fate("Message Dropped", message)) == []
        life.definitions = definitions(WELCOME)
        assert templates(life.forward(HOUR)) == ["welcome-plain"]
