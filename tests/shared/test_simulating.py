"""`dangol simulate`: a journey over a recorded file."""

import json
from pathlib import Path

import pytest

from dangol.commands import simulating
from dangol.commands.starter_files import STARTER
from dangol.errors import DangolError


def test_who_would_enter_and_what_would_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One pays in time, one is reminded, one never agreed, one has too little in the cart."""
    traits = {"email": "a@example.test", "marketing_agreed": True}
    rows = [
        _cart("paid", 42000, "2026-11-01T00:00:00Z", traits),
        _order("paid", "2026-11-01T05:00:00Z"),
        _cart("left", 42000, "2026-11-01T00:00:00Z", traits),
        _cart("silent", 42000, "2026-11-01T00:00:00Z", {"email": "b@example.test"}),
        _cart("small", 100, "2026-11-01T00:00:00Z", traits),
        {"type": "track", "event": "nobody"},
    ]
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert simulating.run("cart-recovery", STARTER, file) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "over 5 events of 4 people, 1 rows not believed" in said
    assert "entered 3 times" in said
    assert "not entered 1 where_not_met" in said
    assert "1 sent cart-reminder by email" in said
    assert "dropped cart-reminder no_consent" in said
    assert "ended 1 exit bought" in said


def test_an_unknown_journey_or_file_is_told(tmp_path: Path) -> None:
    """With what is expected."""
    (tmp_path / "events.csv").write_text("user_id,event\n")
    with pytest.raises(DangolError, match="no journey 'none'"):
        simulating.run("none", STARTER, tmp_path / "events.csv")
    with pytest.raises(DangolError, match="no file of events"):
        simulating.run("welcome", STARTER, tmp_path / "events.txt")


def _cart(user: str, value: int, at: str, traits: dict[str, object]) -> dict[str, object]:
    properties = {"cart_id": user, "cart_value": value}
    return _call(user, "Product Added", at, properties) | {"context": {"traits": traits}}


def _order(user: str, at: str) -> dict[str, object]:
    return _call(user, "Order Completed", at, {"order_id": "o1", "cart_id": user, "revenue": 42000})


def _call(user: str, event: str, at: str, properties: dict[str, object]) -> dict[str, object]:
    return {"type": "track", "userId": user, "event": event, "timestamp": at, "properties": properties}
