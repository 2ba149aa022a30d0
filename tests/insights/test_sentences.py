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
        "‘mail’ 단계의 문자(SMS) 채널 발송을 11월 23일 08:00까지 미룹니다: 발송 제한 시간(20:50-08:00)입니다."
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


@pytest.mark.parametrize(
    ("way", "en", "ko"),
    [
        ("after 1 day, 0:00:00", "1 day passed", "1일이 지남"),
        ("after 12:30:00", "12 hours 30 minutes passed", "12시간 30분이 지남"),
        ("after 7d", "7 days passed", "7일이 지남"),
        ("after item.cycle_days * 1d", "item.cycle_days * 1d passed", "item.cycle_days * 1d이 지남"),
        ("event Order Completed", "“Order Completed” happened", "‘Order Completed’ 이벤트가 일어남"),
        ("opened mail", "the message of “mail” was opened", "‘mail’ 단계의 메시지를 열어 봄"),
        ("otherwise", "its message was not sent, and the steps for that case follow", "메시지를 보내지 않아"),
        ("no fate heard", "nothing was heard of its message", "메시지 소식을 듣지 못함"),
        ("event.cart_value > 3", "event.cart_value > 3 is true", "조건 event.cart_value > 3 에 맞음"),
    ],
)
def test_a_way_is_told_in_words(way: str, en: str, ko: str) -> None:
    said = decision(Verdict.CHOSE, Reason.DUE, journey="welcome", step="mail", details={"way": way})
    assert en in sentences.told(said, english, SEOUL)[0].text
    assert ko in sentences.told(said, korean, SEOUL)[0].text


def test_a_wait_tells_what_may_end_it_sooner() -> None:
    details = {"until": "2026-11-22T23:00:00+00:00", "ways": ["opened mail", "after 12:00:00"]}
    said = decision(Verdict.WAITED, Reason.MATCHED, journey="cart", step="unopened", details=details)
    assert sentences.told(said, english, SEOUL)[0].text == (
        "In “cart”, step “unopened” waits until 23 Nov 08:00, or until the message of “mail” was opened."
    )


def test_a_drop_tells_of_every_channel() -> None:
    details = {"channel": "push", "channels": {"push": "no_address", "sms": "no_consent"}, "purpose": "marketing"}
    said = decision(Verdict.DROPPED, Reason.NO_ADDRESS, step="mail", details=details)
    assert sentences.told(said, english, SEOUL)[0].text == (
        "The message of step “mail” was not sent, on no channel: push – no address is known for push; "
        "text message – there is no consent on record for marketing."
    )
    assert "문자(SMS) – 마케팅(광고) 수신 동의 기록이 없습니다" in sentences.told(said, korean, SEOUL)[0].text


def test_what_was_rejected_is_told_in_korean_too() -> None:
    details = {"code": "no_event_name", "message": "a track call names its event"}
    said = decision(Verdict.REJECTED, "invalid: no_event_name", details=details)
    assert sentences.told(said, korean, SEOUL)[0].text == "보낸 항목을 받아들이지 않았습니다: 이벤트 이름이 없습니다."
