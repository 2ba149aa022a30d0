"""May it be sent? Every rule at its edges, with the reason it gives. Each legal row is a named rule here."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dangol.decisions import Reason
from dangol.messages import Address
from dangol_dispatcher.caps import Cap, Scope
from dangol_dispatcher.consent import standing_consents
from dangol_dispatcher.model import Choice, Drop, Go, Hold, Recipient, SendRequest, Skip, Spent, Standing
from dangol_dispatcher.packs import KR, US
from dangol_dispatcher.policy import choose
from dangol_dispatcher.rulebook import GatewayRule, HoldWhile, Rules, TemplateRule
from tests.support.dispatching import MAIL, NOON, PHONE, a_consent, a_message, addresses

CHANNELS = ("email", "sms", "push", "alimtalk")


def rules(**given: Any) -> Rules:
    templates = {
        "advert": TemplateRule("advert", "marketing", CHANNELS),
        "notice": TemplateRule("notice", "transactional", CHANNELS),
        "mail-only": TemplateRule("mail-only", "marketing", ("email",)),
    }
    gateways = {f"{channel}-gate": GatewayRule(f"{channel}-gate", channel, "inbox") for channel in CHANNELS}
    defaults: dict[str, Any] = {
        "workspace": "default",
        "number": 1,
        "zone": "Asia/Seoul",
        "templates": templates,
        "gateways": gateways,
    }
    return Rules(**(defaults | given))


def request(category: str = "marketing", passed: dict[str, str] | None = None, **given: Any) -> SendRequest:
    template = "advert" if category == "marketing" else "notice"
    message = a_message(**({"template": template} | given))
    expires_at = message.expires_at or NOON + timedelta(days=1)
    return SendRequest(message, category, NOON, expires_at, passed=passed or {})


def person(**given: Any) -> Recipient:
    defaults: dict[str, Any] = {
        "profile": "p1",
        "workspace": "default",
        "key": "default/u1",
        "version": 1,
        "addresses": addresses(),
    }
    return Recipient(**(defaults | {"zone": "Asia/Seoul"} | given))


def standing(recipient: Recipient | None = None, *stated: Any, **given: Any) -> Standing:
    consents = standing_consents(stated or (a_consent(),))
    return Standing(recipient or person(), consents=consents, **given)


def answer(asked: SendRequest, known: Standing, rulebook: Rules | None = None, at: datetime = NOON) -> Choice:
    return choose(asked, known, rulebook or rules(), at)


def reason_of(choice: Choice) -> str:
    return "" if isinstance(choice.answer, Go) else choice.answer.reason


def seoul(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 4, hour, minute, tzinfo=UTC) - timedelta(hours=9)


def test_it_goes_to_the_newest_verified_address() -> None:
    newer = Address(kind="email", value="new@example.test", at=NOON + timedelta(hours=1))
    unproven = Address(kind="email", value="evil@example.test", at=NOON + timedelta(hours=2), verified=False)
    known = standing(person(addresses=(*addresses(), newer, unproven)))
    assert answer(request(), known).answer == Go("email", "new@example.test")


def test_an_unverified_address_is_never_sent_to() -> None:
    known = standing(person(addresses=(Address(kind="email", value=MAIL, at=NOON, verified=False),)))
    assert reason_of(answer(request(), known)) == Reason.UNVERIFIED_ADDRESS


def test_no_record_is_no_consent_and_a_notice_needs_none() -> None:
    nothing = Standing(person())
    dropped = answer(request(), nothing).answer
    assert isinstance(dropped, Drop) and dropped.reason == Reason.NO_CONSENT
    assert dropped.details["rule"] == "consent.opt_in"
    assert answer(request("transactional"), nothing).answer == Go("email", MAIL)


def test_case_83_a_refusal_stops_its_channel_and_the_next_one_goes() -> None:
    """Caught: statements of all channels kept as of one."""
    known = standing(None, a_consent(), a_consent(False, channels=("email",), at=NOON))
    choice = answer(request(by=("email", "sms")), known)
    assert choice.answer == Go("sms", PHONE)
    assert [(channel, why.reason) for channel, why in choice.skipped] == [("email", Reason.WITHDRAWN)]


def test_case_83_all_refused_stops_marketing_and_not_a_notice() -> None:
    """Caught: `all` read as the first channel; consent asked for notices."""
    known = standing(None, a_consent(), a_consent(False, at=NOON))
    dropped = answer(request(by=("email", "sms", "push")), known).answer
    assert isinstance(dropped, Drop) and dropped.reason == Reason.WITHDRAWN
    assert dropped.details["channels"] == dict.fromkeys(("email", "sms", "push"), "withdrawn")
    assert isinstance(answer(request("transactional"), known).answer, Go)


def test_a_suppressed_endpoint_is_passed_over() -> None:
    known = standing(suppressed=frozenset({("email", MAIL)}))
    assert answer(request(by=("email", "sms")), known).answer == Go("sms", PHONE)
    assert reason_of(answer(request(), known)) == Reason.SUPPRESSED


def test_no_address_waits_ten_minutes_then_gives_up() -> None:
    known = standing(person(addresses=()))
    held = answer(request(), known).answer
    assert isinstance(held, Hold)
    assert (held.until, held.reason) == (NOON + timedelta(minutes=10), Reason.NO_ADDRESS)
    dropped = answer(request(), known, at=NOON + timedelta(minutes=10)).answer
    assert isinstance(dropped, Drop) and dropped.reason == Reason.NO_ADDRESS


def test_a_message_ahead_of_its_facts_waits_for_them() -> None:
    for known in (Standing(None), standing(person(version=1))):
        held = answer(request(person_version=2), known).answer
        assert isinstance(held, Hold) and held.reason == Reason.FACTS_AWAITED
    assert isinstance(answer(request(person_version=2), standing(person(version=2))).answer, Go)


def test_expired_erased_and_unknown_are_said_so() -> None:
    late = answer(request(expires_at=NOON), standing())
    gone = answer(request(), standing(person(erased=True)))
    lost = answer(request(template="nothing"), standing())
    assert [reason_of(one) for one in (late, gone, lost)] == [Reason.EXPIRED, Reason.ERASED, Reason.UNKNOWN_TEMPLATE]


@pytest.mark.parametrize(
    "switch", ["all", "channel:email", "journey:welcome", "template:advert", "category:marketing", "gateway:email-gate"]
)
def test_every_kill_switch_holds(switch: str) -> None:
    held = answer(request(), standing(switches=frozenset({switch}))).answer
    assert isinstance(held, Hold) and (held.reason, held.details["switch"]) == (Reason.KILL_SWITCH, switch)


def test_the_control_group_walks_all_rules_and_is_stopped_last() -> None:
    assert answer(request(holdout=True), standing()).answer == Drop(
        Reason.HOLDOUT, {"rule": "holdout", "channel": "email"}
    )
    refused = answer(request(holdout=True), Standing(person())).answer
    assert isinstance(refused, Drop) and refused.reason == Reason.NO_CONSENT


def test_a_channel_without_content_or_gateway_is_passed_over_with_its_reason() -> None:
    choice = answer(request(template="mail-only", by=("sms", "lms", "email")), standing())
    assert choice.answer == Go("email", MAIL)
    assert [why.reason for _, why in choice.skipped] == [Reason.NO_CONTENT, Reason.NO_GATEWAY]


def test_preferred_is_the_persons_channel_then_the_templates() -> None:
    known = standing(person(traits={"preferred_channel": "sms"}))
    assert answer(request(by=("preferred",)), known).answer == Go("sms", PHONE)
    assert answer(request(by=("preferred",)), standing()).answer == Go("email", MAIL)


def test_a_channel_a_gateway_refused_is_not_tried_again() -> None:
    passed = {"email": Reason.REJECTED_PERMANENTLY.value}
    assert answer(request(passed=passed, by=("email", "sms")), standing()).answer == Go("sms", PHONE)


def test_a_webhook_and_a_message_to_staff_need_no_person() -> None:
    hook = GatewayRule("hook", "webhook", "webhook")
    asked = request(webhook={"gateway": "hook", "json": {}}, template="", by=())
    assert answer(asked, Standing(None), rules(gateways={"hook": hook})).answer == Go("webhook", "hook")
    staff = replace(request(template="s", by=("slack",), to="#vip"), category="marketing")
    slack = rules(templates={"s": TemplateRule("s", "marketing", ("slack",))}, default_gateway="inbox")
    assert answer(staff, Standing(None), slack).answer == Go("slack", "#vip")


# ── quiet hours and the legal packs ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hour", "minute", "held"),
    [(20, 49, False), (20, 50, True), (23, 59, True), (0, 0, True), (7, 59, True), (8, 0, False), (12, 0, False)],
)
@pytest.mark.parametrize("channel", ["sms", "push"])
def test_kr_night(channel: str, hour: int, minute: int, held: bool) -> None:
    kr = rules(packs=(KR,), quiets=KR.quiet)
    found = answer(request(by=(channel,), expires_at=NOON + timedelta(days=3)), standing(), kr, seoul(hour, minute))
    assert isinstance(found.answer, Hold) == held
    if isinstance(found.answer, Hold):
        assert (found.answer.reason, found.answer.details["rule"]) == (Reason.NO_NIGHT_CONSENT, "kr.night")
        assert found.answer.until.astimezone(UTC).hour == 23  # 08:00 in Seoul


def test_case_89_kr_night_leaves_email_and_notices_and_night_consent_alone() -> None:
    """Caught: consent to the night taken for consent; mail under the hours."""
    kr, night = rules(packs=(KR,), quiets=KR.quiet), seoul(22)
    assert isinstance(answer(request(), standing(), kr, night).answer, Go)
    assert isinstance(answer(request("transactional", by=("sms",)), standing(), kr, night).answer, Go)
    agreed = standing(None, a_consent(night=True))
    assert isinstance(answer(request(by=("sms",)), agreed, kr, night).answer, Go)
    only_night = standing(None, a_consent(False), a_consent(night=True, at=NOON - timedelta(days=2)))
    assert isinstance(answer(request(by=("sms",)), only_night, kr, night).answer, Drop)


def test_kr_alimtalk_informational() -> None:
    kr = rules(packs=(KR,), quiets=KR.quiet)
    choice = answer(request(by=("alimtalk", "sms")), standing(), kr)
    assert choice.skipped == (
        ("alimtalk", Skip(Reason.NO_CONTENT, {"rule": "kr.alimtalk_informational", "category": "marketing"})),
    )
    assert answer(request("transactional", by=("alimtalk",)), standing(), kr).answer == Go("alimtalk", PHONE)


def test_case_88_us_tcpa_hours_fear_all_zones_when_none_is_known() -> None:
    """Caught: only the first of the zones that must be feared."""
    us = rules(packs=(US,), quiets=US.quiet, zone="America/New_York")
    unknown = standing(person(zone=None))
    ten_in_new_york = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
    held = answer(request(by=("sms",), expires_at=NOON + timedelta(days=3)), unknown, us, ten_in_new_york).answer
    assert isinstance(held, Hold)
    assert held.until == datetime(2026, 3, 4, 16, 5, tzinfo=UTC)  # 11:05 in New York, 08:05 in Los Angeles
    known = standing(person(zone="America/New_York"))
    assert isinstance(answer(request(by=("sms",)), known, us, ten_in_new_york).answer, Go)


def test_every_pack_row_has_its_source_and_date() -> None:
    for pack in (KR, US):
        named = {quiet.rule for quiet in pack.quiet} | set((pack.informational_only or {}).values())
        assert named <= (pack.sources or {}).keys()
        assert all(source.law and source.checked.year >= 2026 for source in (pack.sources or {}).values())


def test_case_88_the_newest_zone_counts_at_the_hand_off() -> None:
    """Caught: the workspace's zone ahead of the person's."""
    kr = rules(packs=(KR,), quiets=KR.quiet)
    moved = standing(person(zone="America/Los_Angeles"))
    assert isinstance(answer(request(by=("sms",)), moved, kr, seoul(22)).answer, Hold)  # 05:00 there
    assert isinstance(answer(request(by=("sms",)), moved, kr, seoul(3)).answer, Go)  # 10:00 there


def test_case_87_nobody_waits_for_a_morning_that_comes_too_late() -> None:
    """Caught: held though it expires before."""
    kr = rules(packs=(KR,), quiets=KR.quiet)
    soon = request(by=("sms",), expires_at=seoul(23))
    dropped = answer(soon, standing(), kr, seoul(22)).answer
    assert isinstance(dropped, Drop) and dropped.reason == Reason.NO_NIGHT_CONSENT
    either = request(by=("sms", "email"), expires_at=seoul(23))
    assert answer(either, standing(), kr, seoul(22)).answer == Go("email", MAIL)


def test_hold_while_holds_marketing_alone() -> None:
    waits = rules(
        hold_while=HoldWhile("profile.open_tickets > 0", lambda known: known.traits.get("open_tickets", 0) > 0)
    )
    troubled = standing(person(traits={"open_tickets": 1}))
    held = answer(request(), troubled, waits).answer
    assert isinstance(held, Hold) and held.details["rule"] == "hold_while"
    assert isinstance(answer(request("transactional"), troubled, waits).answer, Go)
    assert isinstance(answer(request(), standing(), waits).answer, Go)


# ── caps ──────────────────────────────────────────────────────────────────────────────────────────


def spent(number: int, at: datetime, **given: Any) -> Spent:
    defaults: dict[str, Any] = {"category": "marketing", "channel": "email", "journey": "other"}
    return Spent(f"s{number}", at, **(defaults | given))


@pytest.mark.parametrize(
    ("over", "expected"),
    [("drop", Drop), ("next", Drop), (timedelta(hours=12), Hold), (timedelta(hours=11), Drop)],  # 12 h to midnight
)
def test_a_used_up_day_frees_at_the_persons_midnight(over: Any, expected: type) -> None:
    daily = rules(caps=(Cap("daily", 2, "day", over=over),))
    recent = (spent(1, seoul(9)), spent(2, seoul(10)), spent(3, seoul(0) - timedelta(minutes=1)))
    found = answer(request(expires_at=NOON + timedelta(days=3)), standing(recent=recent), daily).answer
    assert isinstance(found, Drop | Hold) and isinstance(found, expected)
    assert found.reason == Reason.CAPPED and found.details["at_most"] == 2 and found.details["used"] == 2
    assert isinstance(answer(request(), standing(recent=recent[1:]), daily).answer, Go)


def test_a_cap_holds_until_its_slot_is_free() -> None:
    hourly = rules(caps=(Cap("hourly", 1, timedelta(hours=1), over=timedelta(hours=12)),))
    found = answer(request(), standing(recent=(spent(1, NOON - timedelta(minutes=20)),)), hourly).answer
    assert isinstance(found, Hold) and found.until == NOON + timedelta(minutes=40)
    assert isinstance(answer(request(), standing(recent=(spent(1, NOON - timedelta(hours=1)),)), hourly).answer, Go)


def test_a_cap_of_a_channel_leaves_the_next_one_free() -> None:
    mails = rules(caps=(Cap("mails", 1, "day", of=Scope(channel="email"), over="next"),))
    choice = answer(request(by=("email", "sms")), standing(recent=(spent(1, seoul(9)),)), mails)
    assert choice.answer == Go("sms", PHONE)
    assert choice.skipped[0][1].reason == Reason.CAPPED


@pytest.mark.parametrize(
    ("scope", "stops"),
    [
        (Scope(journey="welcome"), False),
        (Scope(journey="other"), False),
        (Scope(tag="promo"), False),
        (Scope(channel="sms"), False),
        (Scope(), True),
    ],
)
def test_a_cap_counts_what_is_in_its_scope(scope: Scope, stops: bool) -> None:
    one = rules(caps=(Cap("one", 1, "day", of=scope),))
    assert isinstance(answer(request(), standing(recent=(spent(1, seoul(9)),)), one).answer, Drop) == stops


def test_switches_of_a_template_ignore_caps() -> None:
    free = TemplateRule("advert", "marketing", CHANNELS, ignores_caps=True)
    one = rules(caps=(Cap("one", 0, "day"),), templates={"advert": free})
    assert isinstance(answer(request(), standing(), one).answer, Go)
    assert isinstance(answer(request("transactional"), standing(), rules(caps=(Cap("one", 0, "day"),))).answer, Go)


def test_a_message_does_not_count_against_itself() -> None:
    one = rules(caps=(Cap("one", 1, "day"),))
    assert isinstance(answer(request(), standing(recent=(replace(spent(1, seoul(9)), message="m1"),)), one).answer, Go)


def test_case_79_the_day_of_a_clock_change_is_one_day() -> None:
    """Caught: a day of 24 hours."""
    new_york = person(zone="America/New_York")
    daily = rules(caps=(Cap("daily", 1, "day", over=timedelta(days=1)),))
    just_before_midnight = datetime(2026, 3, 9, 3, 59, tzinfo=UTC)  # the 8th had 23 hours
    first_thing = datetime(2026, 3, 8, 5, 1, tzinfo=UTC)
    asked = replace(request(), asked_at=first_thing, expires_at=first_thing + timedelta(days=3))
    held = choose(asked, standing(new_york, recent=(spent(1, first_thing),)), daily, just_before_midnight).answer
    assert isinstance(held, Hold) and held.until == datetime(2026, 3, 9, 4, 0, tzinfo=UTC)
