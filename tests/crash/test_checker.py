"""The checker sees each broken promise: ledgers that are in order, and each doctored in one place."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.crash.programs.checker import Facts, check

HOOKED, MAILED = "u1", "u2"


def _call(user: str, step: str, at: float, key: str = "") -> dict[str, Any]:
    return {"key": key or f"{user}-{step}", "user": user, "step": step, "at": at, "seen": "1"}


FIRST, SECOND = _call(HOOKED, "first", 1.0), _call(HOOKED, "second", 2.1)
NEWS, RECEIPT = _call(MAILED, "newsletter", 1.0), _call(MAILED, "receipt", 2.1)
WHOLE = Facts(
    accepted=[
        {"id": "v1", "user": HOOKED, "event": "Viewed", "at": 0.4},
        {"id": "v2", "user": MAILED, "event": "Viewed", "at": 0.4},
        {"id": "e1", "user": HOOKED, "event": "Joined", "at": 0.5},
        {"id": "e2", "user": MAILED, "event": "Lettered", "at": 0.5},
    ],
    archived=["v1", "v2", "e1", "e2", "what the product itself told"],
    calls=[FIRST, FIRST, SECOND],  # one repeated with its key: the receiver does it once
    mails=[NEWS, RECEIPT],
    kills=[{"target": "up", "at": 0.9, "ready_after": 1.5}, {"target": "up", "at": 2.0, "ready_after": None}],
    entered=[(HOOKED, "n1"), (MAILED, "n2")],
    finished=[HOOKED, MAILED],
    unknown=[],
    doubted=lambda user, step: False,
)

DOCTORED: dict[str, Callable[[Facts], Facts]] = {
    "accepted and not on record": lambda it: replace(it, archived=it.archived[1:]),
    "on record twice": lambda it: replace(it, archived=[*it.archived, "v1"]),
    "counted too few": lambda it: replace(it, calls=[FIRST, {**SECOND, "seen": "0"}]),
    "counted twice": lambda it: replace(it, mails=[NEWS, {**RECEIPT, "seen": "2"}]),
    "accepted and never entered": lambda it: replace(it, entered=it.entered[1:]),
    "entered and never accepted": lambda it: replace(it, entered=[*it.entered, ("u3", "n3")]),
    "entered twice": lambda it: replace(it, entered=[*it.entered, (HOOKED, "n9")]),
    "never finished": lambda it: replace(it, finished=[HOOKED]),
    "finished twice": lambda it: replace(it, finished=[*it.finished, HOOKED]),
    "never called": lambda it: replace(it, calls=[FIRST]),
    "done twice at a receiver": lambda it: replace(it, calls=[*it.calls, _call(HOOKED, "first", 3.0, "other")]),
    "one key names two things": lambda it: replace(it, calls=[FIRST, _call(HOOKED, "second", 2.1, FIRST["key"])]),
    "marketing repeated": lambda it: replace(it, mails=[*it.mails, NEWS]),
    "marketing missing": lambda it: replace(it, mails=[RECEIPT]),
    "transactional missing": lambda it: replace(it, mails=[NEWS]),
    "transactional repeated and not told": lambda it: replace(it, mails=[*it.mails, RECEIPT]),
    "unknown, and never in doubt": lambda it: replace(it, unknown=[(MAILED, "receipt")]),
    "second early": lambda it: replace(it, calls=[FIRST, {**SECOND, "at": 1.9}]),
    "receipt early": lambda it: replace(it, mails=[NEWS, {**RECEIPT, "at": 1.9}]),
}


def test_ledgers_in_order_break_no_promise() -> None:
    found = check(WHOLE)
    assert not found.broken
    assert found.numbers["calls_repeated_with_their_key"] == 1
    assert found.numbers["kills"] == {"up": 2}
    assert found.numbers["silent_after_a_kill"] == {"p50": 0.1, "max": 0.1}
    assert found.numbers["ready_after_a_kill"] == {"p50": 1.5, "max": 1.5}


@pytest.mark.parametrize("promise", DOCTORED)
def test_a_broken_promise_is_seen(promise: str) -> None:
    assert any(found.startswith(promise) for found in check(DOCTORED[promise](WHOLE)).broken), promise


def test_what_nobody_knows_and_is_said_to_be_so_is_in_order() -> None:
    missing = replace(WHOLE, mails=[RECEIPT], unknown=[(MAILED, "newsletter")])
    assert not check(missing).broken
    assert check(missing).numbers["of_those_never_taken"] == 1
    repeated = replace(WHOLE, mails=[*WHOLE.mails, RECEIPT], doubted=lambda user, step: True)
    assert not check(repeated).broken
    twice_in_doubt = replace(WHOLE, mails=[NEWS], unknown=[(MAILED, "receipt")], doubted=lambda user, step: True)
    assert not check(twice_in_doubt).broken
