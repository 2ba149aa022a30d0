"""Sums and functions of conditions: numbers as in JSON, moments and spans, texts by code point."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dangol.errors import Invalid
from dangol.spans import span

LONGEST_TEXT = 65_536
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class NoSum(Exception):
    """These values do not add up, and a condition that needs them to is not met."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _both(test: Callable[[Any], bool], one: Any, other: Any) -> bool:
    return test(one) and test(other)


def as_moment(value: Any) -> datetime:
    """A moment, also from ISO text; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise NoSum from None
    if not isinstance(value, datetime):
        raise NoSum
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def add(one: Any, other: Any) -> Any:
    """Numbers, spans, texts and lists; a moment and a span."""
    if _both(_is_number, one, other) or (isinstance(one, timedelta) and isinstance(other, timedelta)):
        return one + other
    if isinstance(one, timedelta) != isinstance(other, timedelta):
        moment, length = (other, one) if isinstance(one, timedelta) else (one, other)
        return as_moment(moment) + length
    if type(one) is not type(other) or not isinstance(one, str | list) or len(one) + len(other) > LONGEST_TEXT:
        raise NoSum
    return one + other


def sub(one: Any, other: Any) -> Any:
    """Numbers, spans; a moment less a span, or two moments: the span between them. `0 - x` also turns a span round."""
    if _both(_is_number, one, other) or (isinstance(one, timedelta) and isinstance(other, timedelta)):
        return one - other
    if isinstance(other, timedelta):
        return -other if one == 0 else as_moment(one) - other
    return as_moment(one) - as_moment(other)


def mul(one: Any, other: Any) -> Any:
    """Numbers, or a span so many times."""
    lengths = isinstance(one, timedelta), isinstance(other, timedelta)
    numbers = _is_number(one), _is_number(other)
    if lengths == (True, True) or not all(map(max, lengths, numbers)):
        raise NoSum
    return one * other


def div(one: Any, other: Any) -> Any:
    """Numbers, never rounded (JSON knows no whole ones); a span by a number, or by a span."""
    by_number = _is_number(other) and (_is_number(one) or isinstance(one, timedelta))
    if not by_number and not (isinstance(one, timedelta) and isinstance(other, timedelta)):
        raise NoSum
    return one / other


def mod(one: Any, other: Any) -> Any:
    """What is left of a number; of the sign of the first, as in CEL."""
    if not _both(_is_number, one, other):
        raise NoSum
    left = math.fmod(one, other)
    return int(left) if isinstance(one, int) and isinstance(other, int) else left


def size(value: Any) -> int:
    """Code points of a text, items of a list or map."""
    if not isinstance(value, str | list | dict):
        raise NoSum
    return len(value)


def local(moment: Any, zone: Any) -> dict[str, Any]:
    """Wall time in the person's zone: {year, month, day, hour, minute, weekday: mon…sun, date: ISO text}."""
    if not isinstance(zone, str):
        raise NoSum
    wall = as_moment(moment).astimezone(ZoneInfo(zone))
    parts = {"year": wall.year, "month": wall.month, "day": wall.day, "hour": wall.hour, "minute": wall.minute}
    return parts | {"weekday": WEEKDAYS[wall.weekday()], "date": wall.date().isoformat()}


def duration(text: Any) -> timedelta:
    """A span from text: `30d`."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str):
        raise NoSum
    return span(text)


def _of_text(work: Callable[[str], str]) -> Callable[[Any], str]:
    def done(value: Any) -> str:
        if not isinstance(value, str):
            raise NoSum
        return work(value)

    return done


def _of_numbers(work: Callable[..., float]) -> Callable[..., float]:
    def done(*values: Any) -> float:
        if not all(_is_number(value) for value in values):
            raise NoSum
        return work(*values)

    return done


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "_add": add,
    "_sub": sub,
    "_mul": mul,
    "_div": div,
    "_mod": mod,
    "_size": size,
    "_local": local,
    "_timestamp": as_moment,
    "_duration": duration,
    "_lower": _of_text(str.lower),
    "_upper": _of_text(str.upper),
    "_abs": _of_numbers(abs),
    "_round": _of_numbers(round),
    "_floor": _of_numbers(math.floor),
    "_ceil": _of_numbers(math.ceil),
    "_min": _of_numbers(min),
    "_max": _of_numbers(max),
}


def calm(work: Callable[..., Any], failed: list[str]) -> Callable[..., Any]:
    """A function that notes in `failed` that its values did not fit, and gives null: the library sees no raise."""

    def done(*values: Any) -> Any:
        try:
            return work(*values)
        except (NoSum, Invalid, ArithmeticError, ValueError, KeyError):
            failed.append(work.__name__)
            return None

    return done
