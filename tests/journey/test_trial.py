"""Journey tests as people write them: what may be given, what may be expected, and what a failure says."""

from importlib.resources import files
from pathlib import Path

import pytest

from dangol.documents import DefinitionSet, read_dir, read_texts
from dangol_journey import trial

SHOP = {
    "workspace.yaml": "{workspace: default, zone: Asia/Seoul, locale: ko}",
    "caps.yaml": 'quiet: {between: "20:50-08:00", channels: [sms]}',
    "traits/orders.yaml": "- {trait: orders, count: Order Completed}",
    "coupons/gift.yaml": '{coupon: gift, generate: "CB-########", valid_for: 3d}',
    "templates/hello.yaml": "template: hello\nemail: {subject: a, text: b}\nsms: {text: c}",
    "templates/bye.yaml": "template: bye\ncategory: transactional\nemail: {subject: a, text: b}",
    "journeys/hello.yaml": """
journey: hello
enter: {event: Signed Up, where: profile.orders == 0}
exit: [{event: Order Completed, as: bought}]
goal: {event: Order Completed, value: event.revenue}
holdout: 50%
steps:
  - {coupon: gift}
  - {send: hello, by: [email, sms], otherwise: [{send: bye, by: email}]}
  - wait:
      - {opened: hello, then: {exit: reader}}
      - {after: 2d}
  - {send: hello, by: preferred, as: again}
""",
}
BASE = "journey: hello\nperson: {email: a@b.kr, consent: [email]}\ngiven: [{at: 0h, event: Signed Up}"


def run(test: str, **more: str) -> trial.TestResult:
    documents, problems = read_texts({**SHOP, **more, "tests/one.yaml": f"test: one\n{test}"})
    assert problems == []
    (result,) = trial.run_tests(DefinitionSet(1, "default", tuple(documents)))
    return result


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        ("", "{at: 0h, sent: hello, by: email}, {at: 2d, sent: again}, {at: 2d, finished: true}"),
        ("", "{entered: true}, {at: 0h, waits: wait}, {dropped: none}, {exit: none}"),
        (", {at: 1h, opened: hello}", "{at: 1h, exit: reader}"),
        (", {at: 1h, event: Order Completed, revenue: 9}", "{exit: bought}, {converted: true, value: 9}"),
        (", {at: 1h, event: Consent Withdrawn}", "{at: 2d, dropped: again, why: withdrawn}"),
        (", {at: 1h, traits: {preferred_channel: sms}}", "{at: 2d, sent: again, by: email}"),
        (", {at: 1h, event: Signed Up}", "{entered: true, at: 0h}, {entered: none, at: 1h}"),
    ],
)
def test_what_can_be_given_and_expected(given: str, expect: str) -> None:
    assert run(f"{BASE}{given}]\nexpect: [{expect}]").told == ""


def test_a_person_may_begin_with_computed_traits() -> None:
    buyer = BASE.replace("consent", "orders: 1, consent")
    assert run(f"{buyer}]\nexpect: [{{entered: none}}]").passed


def test_nobody_is_in_the_control_group_unless_said() -> None:
    control = BASE.replace("consent", "holdout: true, consent")
    assert run(f"{control}]\nexpect: [{{at: 0h, dropped: hello, why: holdout}}, {{sent: none}}]").told == ""


def test_a_gateway_can_be_made_to_fail() -> None:
    failing = BASE.replace("given: [", "given: [{at: 0h, failed: hello}, ")
    assert run(f"{failing}]\nexpect: [{{failed: hello}}, {{at: 0h, sent: bye}}]").told == ""


def test_the_clock_may_begin_at_a_date_and_time() -> None:
    night = BASE.replace("at: 0h", "at: 2026-11-02T22:00").replace("email]", "sms]").replace("email: a@b.kr", "vip: 1")
    assert run(f"{night}]\nexpect: [{{at: 0h, held: hello}}, {{at: 10h, sent: hello, by: sms}}]").told == ""


def test_a_failure_tells_what_happened_instead() -> None:
    result = run(f"{BASE}, {{at: 1h, event: Order Completed}}]\nexpect: [{{at: 2d, sent: again, by: email}}]")
    assert not result.passed
    assert result.told == (
        "expected, and did not come:\n"
        "  at: 2d, sent: again, by: email\n"
        "what happened:\n"
        "        0s  event Signed Up\n"
        "        0s  entered hello · why matched\n"
        "        0s  sent hello · by email\n"
        "        0s  goes on hello · way sent\n"
        "        0s  waits wait · until 2d\n"
        "        1h  event Order Completed\n"
        "        1h  exit bought · why exit_event\n"
        "        1h  converted hello"
    )


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (f"{BASE}, {{at: 1h}}]\nexpect: [{{sent: hello}}]", "given[1] says nothing that can happen"),
        (f"{BASE}]\nexpect: [{{send: hello}}]", "nothing can be expected of"),
        (f"{BASE}, {{at: soon, event: A}}]\nexpect: [{{sent: hello}}]", "'soon' is not a span of time"),
        (BASE.replace("journey: hello", "journey: helo") + "]\nexpect: [{sent: hello}]", "there is no journey 'helo'"),
    ],
)
def test_a_test_that_makes_no_sense_fails_and_says_why(test: str, told: str) -> None:
    result = run(test)
    assert not result.passed
    assert told in result.told


def test_the_starters_tests_pass() -> None:
    documents, _ = read_dir(Path(str(files("dangol").joinpath("starter"))))
    results = trial.run_tests(DefinitionSet(1, "default", tuple(documents)))
    assert len(results) >= 9
    assert [result.told for result in results if not result.passed] == []
