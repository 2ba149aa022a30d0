"""Each fault case has one row in docs/proofs.md; the tests a row names are there, and a row without one says why."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "proofs.md").read_text()
CASES = "1-4 6-9 11-13 15-17 19-32 34 35 36-42 44-52 54 55 56 58-67 69-76 77-81 83-94 95-98 100-106 108 109"
ROW = re.compile(r"(?m)^\| (\d+) \| ([^|]+) \| (embedded|production|both) \| ([^|]+) \|$")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NUMBER = re.compile(r"(?<=case_)\d+(?=_|$)")


def _numbers(spans: str) -> list[int]:
    found: list[int] = []
    for span in spans.split():
        first, _, last = span.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


ROWS = [(int(number), told) for number, _, _, told in ROW.findall(PAPER)]


@cache
def _tests(path: Path) -> frozenset[str]:
    found = ast.walk(ast.parse(path.read_text()))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in found if isinstance(one, kinds) and one.name.startswith("test_"))


def test_every_case_has_one_row() -> None:
    assert Counter(number for number, _ in ROWS) == Counter(_numbers(CASES))


@pytest.mark.parametrize(("number", "told"), ROWS, ids=[f"case_{number}" for number, _ in ROWS])
def test_a_row_names_tests_that_are_there_or_says_why_not(number: int, told: str) -> None:
    named = NAMED.findall(told)
    if not named:
        assert re.match(r"not yet: \w.{5,}", told), "a row without a test says why"
    for file, name in named:
        assert name in _tests(ROOT / file), f"{file} has no {name}"
        assert str(number) in NUMBER.findall(name), f"{name} does not carry its number"


def test_no_test_carries_a_number_its_row_does_not_name() -> None:
    rows = {number: NAMED.findall(told) for number, told in ROWS}
    stray = [
        f"{path.relative_to(ROOT)}::{name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in sorted(_tests(path))
        for number in NUMBER.findall(name)
        if (str(path.relative_to(ROOT)), name) not in rows.get(int(number), [])
    ]
    assert stray == []
