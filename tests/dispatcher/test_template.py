"""What a template says: values once, in the person's language and zone, labelled where the law wants it, never half."""

import json
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from dangol.decisions import Reason
from dangol.messages import CouponIssue
from dangol_dispatcher.label import RULES, Brand
from dangol_dispatcher.template import Links, TemplateProblem
from tests.support.wordings import UNSUBSCRIBE, rendered, text_of

HOSTILE = "<script>alert(1)</script>"


def problem(source: str, **given: object) -> tuple[str, str]:
    with pytest.raises(TemplateProblem) as raised:
        text_of(source, **given)
    return raised.value.reason, raised.value.detail


# ── values ────────────────────────────────────────────────────────────────────────────────────────


def test_values_are_put_in_and_a_default_stands_in() -> None:
    assert text_of("{{ profile.name | default: '고객' }}님 {{ profile.nick | default: '고객' }}님") == "민지님 고객님"


@pytest.mark.parametrize("source", ["{{ profile.nick }}", "{{ profile.nick.first }}", "{{ profile.nick | upcase }}"])
def test_a_missing_value_is_named(source: str) -> None:
    assert problem(source) == (Reason.MISSING_VALUE, "profile.nick")


def test_what_is_missing_is_false_in_a_condition() -> None:
    assert text_of("{% if profile.nick %}a{% else %}b{% endif %}{% if profile.nick == 'x' %}c{% endif %}") == "b"


def test_a_value_is_never_read_as_a_template() -> None:
    assert text_of("{{ profile.name }}", values={"profile": {"name": "{{ secrets }}"}}) == "{{ secrets }}"


@pytest.mark.parametrize(
    "source", ["{{ profile.__class__ }}", "{{ profile.name | attr: '__init__' }}", "{{ profile.name.__class__ }}"]
)
def test_nothing_of_the_machine_is_within_reach(source: str) -> None:
    assert problem(source)[0] in (Reason.MISSING_VALUE, Reason.TEMPLATE_ERROR)


@pytest.mark.parametrize("source", ["{% include '/etc/passwd' %}", "{% render 'x' %}", "{{ 1 | nope }}", "{% if x %}"])
def test_what_cannot_be_read_is_a_template_error(source: str) -> None:
    assert problem(source)[0] == Reason.TEMPLATE_ERROR


@pytest.mark.parametrize(
    "bomb",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..200) %}{% for j in (1..200) %}x{% endfor %}{% endfor %}",
        "{% assign s = 'xxxxxxxxxxxxxxxx' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
        "{{ (1..100000000) | join: '' }}",
        "{% capture a%}{% for i in (1..900) %}x{% endfor %}{% endcapture %}{{ a | replace: 'x', a | replace: 'x', a }}",
        "{% assign x = 9999999999 %}{% for i in (1..9000) %}{% assign x = x | times: x %}{% endfor %}{{ x }}",
        "{% if true %}" * 40 + "x" + "{% endif %}" * 40,
        "{{ 1 | number: 999999999 }}",
        "{{ 1 | number: -5 }}",
    ],
)
def test_a_bomb_is_defused_soon(bomb: str) -> None:
    began = time.perf_counter()
    assert problem(bomb)[0] == Reason.TEMPLATE_ERROR
    assert time.perf_counter() - began < 1  # 0.2 s on an idle machine


def test_a_coupon_has_its_code_and_its_end() -> None:
    issue = CouponIssue(pool="p", issue="i", expires_at=datetime(2026, 3, 7, 3, tzinfo=UTC))
    said = text_of(
        "{{ gift.code }} {{ gift.expires_at | date: '%m월 %d일 %H시' }}",
        coupons={"gift": issue},
        codes={"gift": "CB-1"},
    )
    assert said == "CB-1 03월 07일 12시"


# ── the person's language and zone ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "locale", "said"),
    [
        (None, None, "2026년 3월 5일 목요일 오전 08:30"),
        ("America/New_York", None, "2026년 3월 4일 수요일 오후 06:30"),
        ("Asia/Kathmandu", "ko-KR", "2026년 3월 5일 목요일 오전 05:15"),
        ("Not/AZone", None, "2026년 3월 5일 목요일 오전 08:30"),
        ("../etc/passwd", None, "2026년 3월 5일 목요일 오전 08:30"),
    ],
)
def test_dates_are_in_the_persons_zone(zone: str | None, locale: str | None, said: str) -> None:
    assert text_of("{{ event.at | date: '%Y년 %-m월 %-d일 %A %p %I:%M' }}", zone=zone, locale=locale) == said


def test_the_nearest_language_is_chosen() -> None:
    locales = {"en": {"lms": {"text": "Hi {{ event.at | date: '%B %-d' }}"}}}
    assert rendered("lms", {"text": "안녕"}, locales=locales, locale="en-GB").parts["text"] == "Hi March 5"
    assert rendered("lms", {"text": "안녕"}, locales=locales, locale="fr").parts["text"] == "안녕"
    assert (
        rendered("lms", {"text": "안녕"}, locales={"en": {"sms": {"text": "Hi"}}}, locale="en").parts["text"] == "안녕"
    )


def test_money_is_written_as_people_write_it() -> None:
    assert (
        text_of("{{ event.revenue | won }} {{ event.revenue | money }} {{ 12.5 | money: 'USD' }}")
        == "42,000원 ￦42,000 $12.50"
    )
    assert problem("{{ profile.name | won }}")[0] == Reason.TEMPLATE_ERROR
    assert problem("{{ profile.name | date: '%Y' }}")[0] == Reason.TEMPLATE_ERROR


# ── channels ──────────────────────────────────────────────────────────────────────────────────────


def test_a_webhooks_values_keep_their_types() -> None:
    said = {
        "json": {
            "user": "{{ profile.user_id }}",
            "paid": "{{ event.revenue }}",
            "text": "{{ event.revenue }} won",
            "n": [1, None],
        }
    }
    content = rendered("webhook", said)
    assert json.loads(content.raw) == {"user": "u1", "paid": 42000, "text": "42000 won", "n": [1, None]}


def test_a_webhook_step_speaks_without_a_template() -> None:
    content = rendered("webhook", {"json": {}}, webhook={"gateway": "hook", "json": {"paid": "{{ event.revenue }}"}})
    assert content.raw == b'{"paid":42000}'


def test_alimtalk_is_filled_in_one_pass_and_never_liquid() -> None:
    said = {
        "code": "A",
        "text": "#{이름}님 {{ x }}",
        "fill": {"이름": "{{ profile.name }}"},
        "buttons": [{"name": "#{이름}"}],
    }
    parts = rendered("alimtalk", said, values={"profile": {"name": "#{이름}"}}).parts
    assert parts == {"code": "A", "text": "#{이름}님 {{ x }}", "buttons": [{"name": "#{이름}"}]}
    with pytest.raises(TemplateProblem, match="missing_value"):
        rendered("alimtalk", {"code": "A", "text": "#{없음}"})


@pytest.mark.parametrize(
    ("text", "fits"), [("가" * 45, True), ("가" * 45 + "a", False), ("a" * 90, True), ("a" * 91, False)]
)
def test_an_sms_is_whole_or_not_at_all(text: str, fits: bool) -> None:
    if fits:
        assert rendered("sms", {"text": text}).parts["text"] == text
    else:
        with pytest.raises(TemplateProblem, match="too_long: 91 bytes"):
            rendered("sms", {"text": text})


@pytest.mark.parametrize("text", ["안녕 👋", "𠮷", "ไทย"])
def test_what_a_carrier_cannot_carry_is_named(text: str) -> None:
    with pytest.raises(TemplateProblem, match="not_carried"):
        rendered("sms", {"text": text})


def test_half_a_character_is_refused() -> None:
    assert problem("{{ profile.name }}", values={"profile": {"name": "\ud800"}})[0] == Reason.TEMPLATE_ERROR


def test_a_filled_alimtalk_is_measured_after_filling() -> None:
    with pytest.raises(TemplateProblem, match="too_long"):
        rendered(
            "alimtalk",
            {"code": "A", "text": "#{x}", "fill": {"x": "{{ profile.name }}"}},
            values={"profile": {"name": "가" * 1001}},
        )


# ── mail ──────────────────────────────────────────────────────────────────────────────────────────


def test_values_are_escaped_in_html_and_not_in_text() -> None:
    said = {"subject": "{{ profile.name }}", "html": "<p>{{ profile.name }}</p>"}
    parts = rendered("email", said, values={"profile": {"name": HOSTILE}}).parts
    assert "<script>" not in parts["html"]
    assert parts["text"] == parts["subject"] == HOSTILE


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", " java\tscript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "vbscript:x"]
)
def test_a_link_is_no_script(url: str) -> None:
    said = {"subject": "s", "html": '<a href="{{ profile.url }}">x</a>'}
    html = rendered("email", said, values={"profile": {"url": url}}).parts["html"]
    assert 'href="#"' in html


def test_links_are_counted_and_the_text_keeps_them() -> None:
    links = Links(UNSUBSCRIBE, "https://msg.example/o/1", lambda number, _url: f"https://msg.example/c/{number}")
    said = {
        "subject": "s",
        "html": '<p><a href="https://a.example/?x=1&amp;y=2">A</a> <a href="mailto:x@y.z">B</a></p>',
    }
    parts = rendered("email", said, links=links).parts
    assert 'href="https://msg.example/c/0"' in parts["html"]
    assert 'href="mailto:x@y.z"' in parts["html"]
    assert 'src="https://msg.example/o/1"' in parts["html"]
    assert parts["links"] == ["https://a.example/?x=1&y=2"]
    assert "A (https://a.example/?x=1&y=2)" in parts["text"]


def test_mjml_becomes_html_with_a_text_of_its_own() -> None:
    column = "<mj-column><mj-text>{{ profile.name }}님</mj-text></mj-column>"
    mjml = f"<mjml><mj-body><mj-section>{column}</mj-section></mj-body></mjml>"
    parts = rendered("email", {"subject": "s", "mjml": mjml}).parts
    assert "<table" in parts["html"]
    assert parts["text"] == "민지님"


def test_styles_are_brought_in_line() -> None:
    html = "<html><head><style>p {color: red}</style></head><body><p>x</p></body></html>"
    assert 'style="color: red;"' in rendered("email", {"subject": "s", "html": html}).parts["html"]


def test_the_same_message_is_the_same_bytes() -> None:
    said = {"subject": "s", "html": "<p>안녕</p>"}
    assert rendered("email", said).raw == rendered("email", said).raw


@pytest.mark.parametrize("field", ["subject", "from", "reply_to"])
def test_a_line_break_smuggles_no_header(field: str) -> None:
    said = {"subject": "s", "text": "t", field: "{{ profile.name }}"}
    with pytest.raises(TemplateProblem, match=r"control character|line break"):
        rendered("email", said, values={"profile": {"name": "x@example.test\r\nBcc: y@example.test"}})


# ── the law ───────────────────────────────────────────────────────────────────────────────────────


def test_each_rule_has_a_name_a_date_and_a_source() -> None:
    assert all(rule.name and rule.source and datetime.fromisoformat(rule.since) for rule in RULES)


def test_rule_ad_label_and_refusal_of_mail() -> None:
    content = rendered("email", {"subject": "(광고) 할인", "html": "<p>x</p>"}, category="marketing")
    mail = message_from_bytes(content.raw, policy=policy.default)
    assert mail["Subject"] == "(광고) 할인"
    assert mail["List-Unsubscribe"] == f"<{UNSUBSCRIBE}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for part in (content.parts["html"], content.parts["text"]):
        assert "단골상점 · 서울시 성동구 · hello@shop.example · 1588-0000" in part
        assert "수신거부" in part
        assert "unsubscribe" in part


@pytest.mark.parametrize("channel", ["sms", "lms", "brand_message"])
def test_rule_ad_label_sender_and_refusal_of_texts(channel: str) -> None:
    text = rendered(channel, {"text": "할인"}, category="marketing").parts["text"]
    assert text == "(광고)[단골상점]\n할인\n무료수신거부 080-123-4567"


def test_rule_ad_label_of_a_push() -> None:
    parts = rendered("push", {"title": "할인", "body": "오늘만"}, category="marketing").parts
    assert parts["title"] == "(광고) 할인"
    assert parts["body"].startswith("(광고) 오늘만\n수신거부")


def test_what_must_be_known_is_not_labelled() -> None:
    assert rendered("sms", {"text": "결제 완료"}).parts["text"] == "결제 완료"
    mail = message_from_bytes(rendered("email", {"subject": "결제", "text": "x"}).raw, policy=policy.default)
    assert (mail["Subject"], mail["List-Unsubscribe"]) == ("결제", None)


def test_without_the_korean_pack_there_is_a_way_out_but_no_label() -> None:
    brand = Brand(locale="en", name="Shop", email="hello@shop.example", packs=("us",), address="1 Main St")
    parts = rendered("email", {"subject": "Sale", "text": "x"}, category="marketing", brand=brand).parts
    assert parts["subject"] == "Sale"
    assert f"unsubscribe. {UNSUBSCRIBE}" in parts["text"]
    assert "1 Main St" in parts["text"]
    assert (
        rendered("sms", {"text": "Sale"}, category="marketing", brand=brand).parts["text"]
        == "Sale\nReply STOP to opt out"
    )


def test_an_advert_too_long_with_its_label_is_refused() -> None:
    with pytest.raises(TemplateProblem, match="too_long"):
        rendered("sms", {"text": "가" * 30}, category="marketing")


def test_nobody_to_send_it_is_said() -> None:
    with pytest.raises(TemplateProblem, match="no sender"):
        rendered("email", {"subject": "s", "text": "t"}, brand=Brand())
