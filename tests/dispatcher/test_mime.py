"""A mail's bytes are those the standard library writes, whatever is in it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dangol.errors import Invalid
from dangol_dispatcher.mail import Mail, build
from tests.support.slow_mail import by_the_library

AT = datetime(2026, 3, 4, 3, tzinfo=UTC)
PLAIN: dict[str, Any] = {
    "delivery": "0b2a7c12-5c9e-5f3a-9a1e-0b2a7c125c9e",
    "to": "a@example.test",
    "sender": "단골 <hello@shop.example>",
    "subject": "안녕",
    "text": "hi",
}
HARD: dict[str, dict[str, Any]] = {
    "plain": {},
    "an advert in Korean": {"subject": "(광고) 고객님, 반갑습니다. 10% 쿠폰을 드려요", "text": "가입을\n축하드려요"},
    "a long subject": {"subject": "a word and another " * 20 + "end"},
    "a long subject in Korean": {"subject": "가나다라 마바사 " * 30 + "끝"},
    "a subject that looks encoded": {"subject": "=?utf-8?b?7JWI64WV?= you"},
    "another that looks encoded": {"subject": "=?UTF-8?Q?a?= you"},
    "a subject of blanks": {"subject": "a  b   c"},
    "no subject": {"subject": ""},
    "one long word": {"subject": "x" * 200},
    "78 and 79": {"subject": "x" * 69, "headers": {"X-A": "x" * 74}},
    "a name with signs": {"sender": '"Shop, the (best) one" <hello@shop.example>'},
    "no name": {"sender": "hello@shop.example"},
    "a long name": {"sender": "단골상점 " * 20 + "<hello@shop.example>"},
    "a long address": {"to": "x" * 60 + "@" + "y" * 60 + ".example.test"},
    "an address with signs": {"to": "o'neil+a.b=c@example.test"},
    "an address in Korean": {"to": "민지@example.test", "reply_to": "단골 <답장@shop.example>"},
    "an answer goes elsewhere": {"reply_to": "Help <help@shop.example>"},
    "headers of one's own": {"headers": {"X-Campaign": "spring", "Feedback-ID": "봄:shop " * 12, "X-Long": "y" * 120}},
    "only text, long": {"text": "word " * 100},
    "only text, long, mostly signs": {"text": "=" * 500},
    "many lines, a long one late": {"text": "short\n" * 12 + "word " * 40},
    "signs after ten lines": {"text": "short\n" * 12 + "=" * 500},
    "no text": {"text": ""},
    "odd line ends": {"text": "a\r\nb\rc\n\n\nd\x0be", "html": "<p>a\r\nb\rc\n</p>\x0c"},
    "dots": {"text": ".\n..\n.a", "html": "<p>\n.\n</p>"},
    "From at a line's start": {"text": "From here\nFrom", "html": "From"},
    "html": {"html": "<p>hello</p>"},
    "html in Korean": {"html": "<p>안녕하세요</p>\n" * 50},
    "html on one line": {"html": "<p style=\"a=b\">" + "x y\t= " * 400 + " </p>"},
    "blanks at ends": {"html": "a \nb\t\n \n", "text": "a \nb\t\n"},
}  # fmt: skip


@pytest.mark.parametrize("case", HARD)
def test_it_is_the_mail_the_library_writes(case: str) -> None:
    # caught: the width counted without the name; the encoding chosen by all lines; "=?" written as it is
    mail = Mail(**(PLAIN | HARD[case]))
    assert build(mail, AT) == by_the_library(mail, AT)


LINES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=120)
TEXTS = st.lists(LINES | st.text("abc =._-\t", max_size=200), max_size=14).map("\n".join)


@given(subject=LINES, text=TEXTS, html=TEXTS, to=st.from_regex(r"\A[a-z0-9._+'=-]{1,20}@[a-z]{1,10}\.test\Z"))
def test_any_mail_is_the_one_the_library_writes(subject: str, text: str, html: str, to: str) -> None:
    mail = Mail(**(PLAIN | {"subject": subject.strip(), "text": text, "html": html, "to": to}))
    try:
        ours = build(mail, AT)
    except Invalid:
        with pytest.raises(Invalid):  # caught: a build that refuses every mail
            by_the_library(mail, AT)
    else:
        assert ours == by_the_library(mail, AT)


def test_our_link_to_refuse_is_never_encoded_or_broken() -> None:
    # caught: the link written by the library, which no mailbox provider reads
    link = "https://m.example/u/" + "x" * 300
    raw = build(Mail(**PLAIN, unsubscribe=link), AT)
    assert f"\r\nList-Unsubscribe: <{link}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode() in raw
    with pytest.raises(Invalid):
        build(Mail(**PLAIN, unsubscribe="https://m.example/" + "x" * 1000), AT)


def test_a_header_s_name_ends_where_it_ends() -> None:
    # caught: `$`, which also matches before a line's end
    with pytest.raises(Invalid):
        build(Mail(**PLAIN, headers={"X-A\n": "b"}), AT)
