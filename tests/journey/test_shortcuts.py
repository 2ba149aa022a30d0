"""A plain comparison worked out without CEL is what CEL says, whatever the values are."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dangol_journey.conditions import Condition, compile_condition, compile_value
from dangol_journey.journey import Missing

SIGNS = ("==", "!=", "<", "<=", ">", ">=")
LITERALS = ("100", "30000", "0", "2.5", "9007199254740993", '"pro"', "'KR'", r'"a\n"', "true", "null", "-1", "1h")
FIELDS = ("event.a", "event.b", 'event["a b"]', "event.deep.a", "profile.a", "event.수량", r'event["a\"b"]')
plain = st.one_of(
    st.sampled_from(
        ["pro", "KR", "", "a\n", 0, 1, 100, 100.0, 2.5, 30000, -1, 2**53, 2**53 + 1, 2**60, 1e300, True, None]
    ),
    st.text(max_size=5),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)
names = st.sampled_from(["a", "b", "a b", "수량", 'a"b', 'a\\"b'])
spaces = st.dictionaries(names, plain, max_size=5)
scopes = st.builds(
    lambda event, deep, profile: {"event": event | deep, "profile": profile},
    spaces,
    st.dictionaries(st.just("deep"), st.one_of(spaces, plain), max_size=1),
    spaces,
)
operands = st.sampled_from((*FIELDS, *LITERALS))
comparisons = st.builds(lambda one, sign, other: f"{one} {sign} {other}", operands, st.sampled_from(SIGNS), operands)
conditions = st.lists(comparisons, min_size=1, max_size=3).map(" && ".join)


def answer(condition: Condition, scope: dict[str, Any]) -> Any:
    try:
        return type(value := condition.value(scope)), value
    except Missing as missing:
        return missing.path


@settings(max_examples=600, deadline=None)
@given(conditions, scopes)
def test_a_condition_is_met_just_when_cel_says_so(source: str, scope: dict[str, Any]) -> None:
    # caught: a missing value taken for an empty text
    condition = compile_condition(source)
    assert answer(condition, scope) == answer(replace(condition, shortcut=None), scope)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    ("one", "other"), [(True, 1), (0, False), (2**53 + 1, 2.0**53), (2**63 - 1, 2.0**63), (-0.0, 0), (7, 7.0), ("1", 1)]
)
def test_values_that_python_and_cel_may_see_otherwise(one: Any, other: Any, sign: str) -> None:
    # caught: true taken for a number, numbers compared beyond 2**53
    condition, scope = compile_condition(f"event.a {sign} event.b"), {"event": {"a": one, "b": other}}
    assert answer(condition, scope) == answer(replace(condition, shortcut=None), scope)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FIELDS), scopes)
def test_a_value_is_what_cel_gives(source: str, scope: dict[str, Any]) -> None:
    value = compile_value(source)
    assert answer(value, scope) == answer(replace(value, shortcut=None), scope)


@pytest.mark.parametrize("source", ["event.a > 100", "event.a == entry.a", 'event.a == "pro" && profile.b <= 2.5'])
def test_the_common_ones_are_plain(source: str) -> None:
    assert compile_condition(source).shortcut is not None


@pytest.mark.parametrize("source", ["event.a + 1 > 2", "event.a == 1 || event.b == 2", "!event.a", "size(event.a) > 1"])
def test_everything_else_is_left_to_cel(source: str) -> None:
    assert compile_condition(source).shortcut is None
