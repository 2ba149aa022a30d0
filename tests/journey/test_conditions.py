"""Conditions: what they mean, what is unknown, and what is refused with its column."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dangol_journey.conditions import Condition, Ungrammatical, compile_condition, compile_moment, compile_value
from dangol_journey.journey import Missing

SCOPE: dict[str, Any] = {
    "event": {
        "cart_value": 40000,
        "price": 2,
        "rate": 0.5,
        "n": 5,
        "수량": 1,
        "a b": "x",
        "name": "한국👍",
        "at": "2026-01-01T00:00:00Z",
        "products": [{"id": "x", "price": 4.5}],
        "cart": {"value": 3},
    },
    "profile": {"country": "KR", "orders": 1},
    "gift": {"expires_at": datetime(2026, 1, 10, tzinfo=UTC)},
    "선물": {"sent": True},
    "now": datetime(2026, 1, 9, 23, tzinfo=UTC),
    "zone": "Asia/Seoul",
}


@pytest.mark.parametrize(
    "source",
    [
        'event.cart_value >= 30000 && profile.country == "KR"',
        "event.price * 0.9 < 1.81",  # JSON has one kind of number
        "event.n / 2 == 2.5",
        "event.n % 2 == 1",
        "-event.n < 0",
        "event.n - 2 - 1 == 2",
        "event.수량 == 1",
        "선물.sent",
        'event["a b"] == "x"',
        "size(event.name) == 3",  # code points, not bytes
        "event.name.size() == 3",
        'event.name.startsWith("한")',
        'event.name.matches("^한.")',
        'event.name.lower().contains("국")',
        'event.products.exists(p, p.price > 4 && p.id == "x")',
        "event.products[0].price * 2 == 9.0",
        "event.products.filter(p, p.price > 4).size() == 1",
        "event.n in [1, 5]",
        '"KR" in [profile.country]',
        "now - event.at < 30d",
        "now - timestamp(event.at) > 1w1d",
        "gift.expires_at - 6h < now",
        "local(now).hour == 8 && local(now).weekday == 'sat'",
        "has(event.cart.value) && !has(event.cart.none) && !has(event.none)",
        "(event.n > 3 ? 1 : 2) == 1",
        "!(event.n > 5 || event.n < 5)",
        "min(event.n, 3) == 3 && round(2.4) == 2 && abs(0 - 2) == 2",
        "profile.unknown == 1 || event.n == 5",  # CEL: one side that is true is enough
        "event.cart == event.cart && event.cart.value + 1 == 4",
    ],
)
def test_a_condition_is_met(source: str) -> None:
    assert compile_condition(source).value(SCOPE) is True


@pytest.mark.parametrize(
    ("source", "unknown"),
    [
        ("event.revenue > 1", "event.revenue"),
        ("event.cart.total > 1", "event.cart.total"),
        ("mail.opened", "mail.opened"),
        ('event.cart_value > "a"', "event.cart_value (number)"),
        ("event.name + 1 == 2", "event.name (text)"),
        ("event.n", "event.n (number)"),
        ("event.n / (event.n - 5) > 1", "event.n (number)"),
        ("event.products[3].price > 1", "event.products (list)"),
        ("has(event.none) ? event.none > 1 : profile.vip > 1", "profile.vip"),
        ("event.products.exists(p, p.none > 1)", "event.products (list)"),
        ("now - profile.country > 1d", "now (datetime), profile.country (text)"),
    ],
)
def test_a_value_that_is_missing_or_of_another_type_is_unknown(source: str, unknown: str) -> None:
    with pytest.raises(Missing) as missing:
        compile_condition(source).value(SCOPE)
    assert missing.value.path == unknown


def test_a_condition_reads_only_the_names_it_mentions() -> None:
    condition = compile_condition(
        'event.cart_value > 1 && has(profile.vip) && event["a b"] == "x" && local(now).hour == 1'
    )
    assert condition.names == {"event.cart_value", "profile.vip", "event.a b", "now", "zone"}


def test_a_variable_of_its_own_is_no_name() -> None:
    assert compile_condition("event.products.all(p, p.price > profile.limit)").names == {
        "event.products",
        "profile.limit",
    }


def test_what_is_read_is_not_changed() -> None:
    before = repr(SCOPE)
    assert compile_condition("event.cart == event.cart && event.cart.value == 3").value(SCOPE)
    assert repr(SCOPE) == before


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("event.n * 1d - 3d", timedelta(days=2)),
        ("1d12h", timedelta(hours=36)),
        ("gift.expires_at - 6h", datetime(2026, 1, 9, 18, tzinfo=UTC)),
        ("event.at + 1d", datetime(2026, 1, 2, tzinfo=UTC)),
        ('duration("90s")', timedelta(seconds=90)),
        ("event.products.map(p, p.price)", [4.5]),
        ('event.name + "!"', "한국👍!"),
    ],
)
def test_an_expression_has_a_value(source: str, value: object) -> None:
    assert compile_value(source).value(SCOPE) == value


@pytest.mark.parametrize(
    ("source", "moment", "shift"),
    [
        ("gift.expires_at - 6h", "gift.expires_at", timedelta(hours=-6)),
        ("entry.delivery + 1d12h", "entry.delivery", timedelta(hours=36)),
        ("entry.delivery", "entry.delivery", timedelta()),
        ("gift.expires_at + 1d - 6h", "gift.expires_at + 1d", timedelta(hours=-6)),
    ],
)
def test_a_moment_is_told_apart_from_its_shift(source: str, moment: str, shift: timedelta) -> None:
    shifted = compile_moment(source)
    assert (shifted.moment.source, shifted.shift) == (moment, shift)


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        ("event.a = 1", 9, "'=' means nothing here"),
        (
            "event.a == 1 and event.b == 2",
            14,
            "'and' is not expected here: a sign such as && or == is missing before it",
        ),
        ("event.a == “x”", 12, "'“' means nothing here"),
        ('event.a == "x', 12, 'the quote " is not closed'),
        ("event.a ==", 11, "the condition ends too early: a value is missing"),
        ("(event.a == 1", 14, "the condition ends too early: ) is missing to close the bracket"),
        ("event.", 7, "the condition ends too early: a name is missing after the dot"),
        ("1 < event.a < 3", 1, "two comparisons in a row"),
        ("event.a > 30days", 11, "this number is followed by letters"),
        ("nope(event.a)", 1, "there is no function nope"),
        ("event.a.size(1) > 1", 9, "size takes 1 value, not 2"),
        ('startsWith(event.a, "x")', 1, "startsWith is called on a value"),
        ('event.a.matches("(")', 17, '"(" is not a pattern'),
        ("event.a.matches(event.b)", 17, "matches takes a pattern written out"),
        ("has(event)", 1, "has asks for a field"),
        ("event.a.exists(1, true)", 16, "exists begins with a name for each item"),
        ("event.a + 1", 1, "this is a sum, not a condition"),
        ("30d", 1, "this is a span, not a condition"),
        ("", 1, "the condition is empty"),
    ],
)
def test_a_mistake_is_told_at_its_column(source: str, column: int, message: str) -> None:
    with pytest.raises(Ungrammatical) as refused:
        compile_condition(source)
    assert (refused.value.at + 1, refused.value.message) == (column, message)


@pytest.mark.parametrize(
    "source",
    [
        " && ".join(["event.n == 1"] * 400),
        "+".join(["1"] * 2_040) + " > 1",
        "(" * 200 + "true" + ")" * 200,
        "!" * 200 + "true",
        "-" * 200 + "1 < 1",
        "[" * 200 + "]" * 200 + " == 1",
        "+".join(["event.n"] * 60) + " > 1",
    ],
)
def test_too_great_a_condition_is_refused(source: str) -> None:
    with pytest.raises(Ungrammatical) as refused:
        compile_condition(source)
    assert refused.value.code == "condition_too_big"


def test_a_million_nodes_are_refused_before_they_are_read() -> None:
    with pytest.raises(Ungrammatical, match="longer than 4096 bytes"):
        compile_condition("1" + "+1" * 1_000_000 + " > 1")


def test_a_pattern_that_runs_away_elsewhere_is_harmless() -> None:
    condition = compile_condition('event.text.matches("(a+)+$")')
    assert condition.value({"event": {"text": "a" * 50_000 + "b"}}) is False


def test_the_greatest_condition_is_compiled() -> None:
    source = " && ".join(["event.n == 5"] * 250)
    assert compile_condition(source).value(SCOPE) is True
    assert compile_condition("(" * 40 + "event.n == 5" + ")" * 40).value(SCOPE) is True


def test_conditions_are_equal_by_what_they_say() -> None:
    assert compile_condition("event.a == 1") == compile_condition("event.a == 1") != compile_condition("event.a == 2")
    assert isinstance(compile_condition("true"), Condition)
