"""The mistakes in caps, gateways and coupons, each at its place with a way to mend it."""

import pytest

from dangol.definitions import DefinitionSet
from dangol.documents import read_texts
from dangol.problems import Problem
from dangol_dispatcher.check import check


def problems(**files: str) -> list[Problem]:
    texts = {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
    documents, unread = read_texts(texts)
    assert unread == []
    return check(DefinitionSet(1, "default", tuple(documents)))


def test_the_files_of_the_design_are_without_mistakes() -> None:
    caps = """
quiet: {between: "20:50-08:00", channels: [sms, push, brand_message]}
caps:
  - {cap: daily, at_most: 2, per: day, zone: person, of: {category: marketing}, over: hold 12h}
  - {cap: hourly, at_most: 1, per: 60m, of: {channel: push}, over: next}
hold_while: profile.open_tickets > 0
"""
    gateways = """
- {gateway: mail, channel: email, kind: smtp, url: "smtp://127.0.0.1:2525", from: "S <s@e.test>", limit: 50/s}
- {gateway: hook, channel: webhook, kind: webhook, url: "http://127.0.0.1:9000/in", secret: {env: HOOK_SECRET}}
"""
    coupons = '- {coupon: comeback, generate: "CB-########", valid_for: 3d, low: 500}\n'
    assert problems(caps=caps, gateways=gateways, coupons__all=coupons) == []


@pytest.mark.parametrize(
    ("file", "text", "line", "code", "hint"),
    [
        ("caps", "quiet: {between: 20h to 8h}", 1, "bad_hours", 'between: "20:50-08:00", with the quotes'),
        ("caps", 'quiet: {between: "20:50-08:00", channels: [fax]}', 1, "unknown_channel", ""),
        ("caps", "caps:\n  - {cap: daily, at_most: two, per: day}", 2, "bad_cap", "at_most: 2"),
        ("caps", "caps:\n  - {cap: daily, at_most: 2}", 2, "bad_cap", "per: 24h"),
        ("caps", "caps:\n  - {cap: daily, at_most: 2, per: fortnight}", 2, "bad_span", ""),
        ("caps", "caps:\n  - {cap: daily, at_most: 2, per: day, over: wait}", 2, "bad_cap", "over: hold 12h"),
        ("caps", "caps:\n  - {cap: daily, at_most: 2, per: day, of: {mood: bad}}", 2, "bad_cap", ""),
        ("caps", "caps:\n  - {at_most: 2, per: day}", 2, "no_name", "cap: daily"),
        ("caps", "caps:\n  - {cap: a, at_most: 1, per: day}\n  - {cap: a, at_most: 1, per: day}", 3, "twice", ""),
        ("caps", "qiet: {}", 1, "unknown_field", "did you mean quiet?"),
        ("caps", "hold_while: profile.x >", 1, "bad_condition", ""),
        ("caps", "hold_while: event.x > 1", 1, "unknown_name", ""),
        ("gateways", "- {gateway: m, channel: emial, kind: smtp, url: 'smtp://x'}", 1, "unknown_channel", "email"),
        ("gateways", "- {gateway: m, channel: email, kind: smtpp}", 1, "unknown_kind", "did you mean smtp?"),
        ("gateways", "- {gateway: m, channel: email, kind: smtp, url: 'http://x'}", 1, "bad_url", ""),
        ("gateways", "- {gateway: m, channel: sms, kind: smtp, url: 'smtp://x'}", 1, "wrong_channel", "email"),
        (
            "gateways",
            "- {gateway: w, channel: webhook, kind: webhook, url: 'https://x', secret: abc}",
            1,
            "secret_in_file",
            "env",
        ),
        ("gateways", "- {gateway: m, channel: email, kind: inbox, limit: fast}", 1, "bad_limit", "limit: 50/s"),
        ("coupons__a", "- {coupon: c}", 1, "no_codes", "generate"),
        ("coupons__a", '- {coupon: c, generate: "C-###"}', 1, "guessable", "########"),
        ("coupons__a", '- {coupon: c, generate: "C-########", valid_for: soon}', 1, "bad_span", ""),
    ],
)
def test_a_mistake_is_told_with_its_place(file: str, text: str, line: int, code: str, hint: str) -> None:
    found = problems(**{file: text + "\n"})
    assert (code, line) in [(one.code, one.line) for one in found], found
    assert any(hint in one.hint for one in found if one.code == code), found


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(
        caps="caps:\n  - {cap: a, at_most: x, per: day}\n  - {cap: b, at_most: 1, per: never}\n",
        gateways="- {gateway: m, channel: fax, kind: pigeon}\n",
    )
    assert [one.code for one in found] == ["bad_cap", "bad_span", "unknown_channel", "unknown_kind"]
