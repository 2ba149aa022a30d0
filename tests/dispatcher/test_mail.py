"""A mail's bytes, and the one place that says what an address is."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest

from dangol.errors import Invalid
from dangol_dispatcher.mail import Mail, address, build, named_address

AT = datetime(2026, 3, 4, 3, tzinfo=UTC)
PLAIN: dict[str, Any] = {
    "delivery": "d1",
    "to": "a@example.test",
    "sender": "단골 <hello@shop.example>",
    "subject": "안녕",
    "text": "hi",
}


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a@example.test", "a@example.test"),
        ("  a@EXAMPLE.test ", "a@example.test"),
        ("민지@example.test", "민지@example.test"),
        ("a@단골.한국", "a@xn--bb0bu7i.xn--3e0b707e"),
        ("a+b.c@sub.example.test", "a+b.c@sub.example.test"),
        ("a@localhost", "a@localhost"),
    ],
)
def test_an_address_is_stored_in_one_form(text: str, stored: str) -> None:
    assert address(text) == stored


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "@example.test", "a@", "a b@example.test", '"a b"@example.test', '"a\r\nRCPT TO:<v@x>"@b.c',
        "a@b\r\nBcc: c@d", "a\x00@b.test", "x" * 65 + "@b.test", "x" * 1000 + "@b.test", "a@" + "b" * 64 + ".test",
        ".a@b.test", "a.@b.test", "a..b@b.test", "a@-b.test", "a@b_c.test", "a@b..test", "a@[127.0.0.1]", "<a@b.test>",
        "a@b.test,c@d.test", "a@b.test\u2028", "\ud800@b.test",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        address(text)


def test_an_address_may_carry_a_name() -> None:
    assert named_address('"단골, 상점" <a@shop.example>') == ("단골, 상점", "a@shop.example")
    assert named_address("a@shop.example") == ("", "a@shop.example")


def test_a_mail_says_who_it_is() -> None:
    raw = build(
        Mail(**PLAIN, html="<p>hi</p>", unsubscribe="https://m.example/u/x", headers={"X-Campaign": "spring"}), AT
    )
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["Subject"] == "안녕"
    assert mail["From"] == "단골 <hello@shop.example>"
    assert mail["Message-ID"] == "<d1@shop.example>"
    assert mail["Date"] == "Wed, 04 Mar 2026 03:00:00 +0000"
    assert mail["List-Unsubscribe"] == "<https://m.example/u/x>"
    assert mail["X-Campaign"] == "spring"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_a_long_link_stays_whole_in_its_header() -> None:
    link = "https://m.example/u/" + "x" * 300
    mail = message_from_bytes(build(Mail(**PLAIN, unsubscribe=link), AT), policy=policy.default)
    assert mail["List-Unsubscribe"] == f"<{link}>"
    assert "=?" not in str(mail["List-Unsubscribe"])


@pytest.mark.parametrize("header", ["Bcc", "Content-Type", "List-Unsubscribe", "X Y", "X:Y", "DKIM-Signature"])
def test_a_template_sets_no_header_of_ours(header: str) -> None:
    with pytest.raises(Invalid):
        build(Mail(**PLAIN, headers={header: "x"}), AT)


@pytest.mark.parametrize("field", ["subject", "sender", "to", "reply_to"])
@pytest.mark.parametrize("smuggled", ["x@e.test\r\nBcc: y@e.test", "x@e.test\nBcc: y@e.test", "x\x00@e.test"])
def test_no_header_is_smuggled(field: str, smuggled: str) -> None:
    with pytest.raises(Invalid):
        build(Mail(**(PLAIN | {field: smuggled})), AT)


def test_no_line_is_longer_than_mail_allows() -> None:
    raw = build(Mail(**(PLAIN | {"text": "가" * 5000, "subject": "가" * 500}), html="<p>" + "x" * 5000 + "</p>"), AT)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
