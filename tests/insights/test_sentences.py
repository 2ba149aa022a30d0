"""Every decision can be said, in both languages."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dangol.decisions import Entry, Reason, Verdict
from dangol_insights import english, korean, sentences
from tests.support.records import decision

SEOUL = ZoneInfo("Asia/Seoul")
LANGUAGES = [english, korean]


@pytest.mark.parametrize("words", LANGUAGES)
def test_every_verdict_and_reason_has_words(words: object) -> None:
    assert set(words.FRAMES) == set(Verdict)  # type: ignore[attr-defined]
    assert set(words.CLAUSES) == set(Reason)  # type: ignore[attr-defined]


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_reason_of_a_verdict_makes_a_sentence_with_and_without_details(verdict: Verdict, lang: str) -> None:
    about = {"journey": "welcome", "step": "mail", "channel": "email", "gateway": "smtp", "input_name": "Signed Up"}
    details = {"until": "2026-11-22T23:00:00+00:00", "rule": "daily", "at_most": 2, "used": 2, "kind": "opened"}
    for reason in Reason:
        bare = decision(verdict, reason)
        full = decision(verdict, f"{reason}: event.cart_value", details=details, **about)
        for said in (bare, full):
            (line,) = sentences.told(said, sentences.language(lang), SEOUL)
            assert line.text.endswith(".")
            assert "{" not in line.text
        assert "?" not in line.text


def test_languages_do_not_mix() -> None:
    hangul = re.compile("[가-힣]")
    for reason in Reason:
        assert not hangul.search(sentences.clause(reason, {}, english))
        assert hangul.search(sentences.clause(reason, {}, korean))


def held(lang: str) -> str:
    details = {"until": "2026-11-22T23:00:00+00:00", "between": "20:50-08:00", "rule": "kr.night"}
    said = decision(Verdict.HELD, Reason.QUIET_HOURS, journey="welcome", step="mail", channel="sms", details=details)
    return sentences.told(said, sentences.language(lang), SEOUL)[0].text


def test_a_hold_says_until_when_in_the_persons_zone() -> None:
    assert held("en") == (
        "The text message of step “mail” is held until 23 Nov 08:00: these are quiet hours (20:50-08:00)."
    )
    assert held("ko-KR") == (
        "‘mail’ 단계의 문자(SMS) 발송을 11월 23일 08:00까지 미룹니다: 발송 제한 시간(20:50-08:00)입니다."
    )


def entry(journey: str, reason: str, entered: bool = False, **more: Any) -> Entry:
    return Entry(journey=journey, version=1, entered=entered, reason=reason, **more)


def test_each_journey_an_input_was_held_against_has_its_line() -> None:
    unknown, before = {"where": "event.spent > 10"}, {"at": datetime(2026, 11, 1, tzinfo=UTC)}
    entries = (
        entry("welcome", Reason.MATCHED, entered=True),
        entry("vip", f"{Reason.UNKNOWN_VALUE}: event.spent", details=unknown),
        entry("cart", Reason.ENTERED_BEFORE, details=before),
    )
    said = decision(Verdict.CONSIDERED, Reason.MATCHED, input_name="Signed Up", entries=entries)
    lines = sentences.told(said, english, SEOUL)
    assert [(line.verdict, line.journey) for line in lines] == [
        ("entered", "welcome"),
        ("not_entered", "vip"),
        ("not_entered", "cart"),
    ]
    assert [line.text for line in lines] == [
        "“Signed Up” entered “welcome”.",
        "“Signed Up” did not enter “vip”: event.spent is not known, and the condition event.spent > 10 needs it.",
        "“Signed Up” did not enter “cart”: entered before, at 1 Nov 09:00, and may not again so soon.",
    ]


def test_a_reason_we_do_not_know_is_said_as_it_is() -> None:
    assert sentences.clause("new_reason: x", {}, english) == "new_reason: x"


def test_braces_in_values_are_only_text() -> None:
    said = decision(Verdict.DROPPED, Reason.TEMPLATE_ERROR, step="{x}", details={"error": "{{ profile.name }} {0}"})
    assert "{{ profile.name }} {0}" in sentences.told(said, english, SEOUL)[0].text
