"""Spans as people write them: `90s`, `30m`, `24h`, `7d`, `2w`, and several of them together (`1d12h`)."""

import re
from datetime import timedelta

from dangol.errors import Invalid

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")


def span(text: str) -> timedelta:
    """The span a text says; raises `Invalid` for what is none."""
    written = str(text).strip()
    if not _WHOLE.fullmatch(written):
        raise Invalid(
            "bad_span", f"{written!r} is not a span of time", hint="write a number and a unit: 90s, 30m, 24h, 7d, 2w"
        )
    return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in _PART.findall(written)))


def said(length: timedelta) -> str:
    """A span as people write it, the largest unit that divides it first: `1d12h`."""
    left, parts = round(length.total_seconds()), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
