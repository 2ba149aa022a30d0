"""A decision in words a marketer understands, in Korean or English, its moments in the person's zone. PURE."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from string import Formatter
from types import ModuleType
from typing import Any

from dangol.decisions import Decision, Entry, Reason, Verdict
from dangol_insights import english, korean
from dangol_insights.model import Line

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")
_SPAN = re.compile(r"(?:\d+[dhms])+")
_PART = re.compile(r"(\d+)([dhms])")
_LONGEST = 200  # characters of one value in a sentence


def language(asked: str) -> ModuleType:
    """The words of `ko`, `ko-KR` and the like, else English."""
    return korean if asked.lower().startswith("ko") else english


def told(decision: Decision, words: ModuleType, zone: tzinfo) -> list[Line]:
    """The lines of a decision: one, or one for each journey an input was held against."""
    if decision.entries:
        return [_entry_line(decision, entry, words, zone) for entry in decision.entries]
    names = _names(decision, words, zone)
    names["because"] = clause(decision.reason, names, words)
    text = _filled(words.FRAMES[decision.verdict], names)
    return [_line(decision, decision.reason, text, zone, decision.journey, None, decision.details)]


def clause(reason: str, names: Mapping[str, Any], words: ModuleType) -> str:
    """Why, as a clause: of `unknown: event.cart_value` the detail is what comes after the colon."""
    code, _, detail = reason.partition(":")
    try:
        clauses = words.CLAUSES[Reason(code.strip())]
    except ValueError:
        return reason
    return _filled(clauses, {**names, **({"detail": detail.strip()} if detail.strip() else {})}).rstrip(".")


def moment(at: datetime, words: ModuleType, zone: tzinfo) -> str:
    """A moment as people of this language write it, in their zone."""
    local = at.astimezone(zone)
    parts = {"day": local.day, "month": words.MONTHS[local.month - 1], "time": f"{local:%H:%M}"}
    return str(words.MOMENT.format(**parts))


def _entry_line(decision: Decision, entry: Entry, words: ModuleType, zone: tzinfo) -> Line:
    names = _names(decision, words, zone) | _values(entry.details, words, zone) | {"journey": entry.journey}
    names["because"] = clause(entry.reason, names, words)
    frame = words.ENTERED if entry.entered else words.NOT_ENTERED
    text = _filled((frame,), {"event": "?", **names})
    return _line(decision, entry.reason, text, zone, entry.journey, entry.entered, entry.details)


def _line(
    decision: Decision,
    reason: str,
    text: str,
    zone: tzinfo,
    journey: str | None,
    entered: bool | None,
    details: dict[str, Any],
) -> Line:
    return Line(
        at=decision.at,
        local_at=decision.at.astimezone(zone),
        verdict=_verdict(decision, entered),
        reason=reason,
        text=text,
        by=decision.by,
        journey=journey,
        step=decision.step,
        channel=decision.channel,
        message=decision.message,
        input=decision.input,
        entered=entered,
        details=details,
    )


def _verdict(decision: Decision, entered: bool | None) -> str:
    if entered is None:
        return decision.verdict.value
    return "entered" if entered else "not_entered"


def _names(decision: Decision, words: ModuleType, zone: tzinfo) -> dict[str, Any]:
    """What the frames and clauses may name."""
    details = decision.details
    names = _values(details, words, zone)
    if purpose := words.PURPOSES.get(details.get("purpose")):
        names["purpose"] = purpose
    channel = decision.channel or details.get("channel")
    known = {
        "event": decision.input_name,
        "journey": decision.journey,
        "step": decision.step,
        "gateway": decision.gateway,
        "channel": words.CHANNELS.get(channel, channel),
        "way": _way(details.get("way"), words),
        "others": _others(details.get("ways"), words),
        "each": _each(details.get("channels"), names, words),
        "known_code": words.CODES.get(details.get("code")),
    }
    names |= {name: value for name, value in known.items() if value}
    if decision.verdict is Verdict.RECEIVED:
        names["kind"] = words.KINDS.get(names.get("kind"), names.get("kind"))
    return names


def _way(way: Any, words: ModuleType) -> str:
    """A way of a fork or a wait in words."""
    if not isinstance(way, str) or not way:
        return ""
    if way in words.WAYS:
        return str(words.WAYS[way])
    first, _, what = way.partition(" ")
    if what and first in words.WAYS:
        what = spoken_span(what, words) if first == "after" else what
        return str(words.WAYS[first].format(what=what))
    return str(words.CONDITION.format(what=way))


def _others(ways: Any, words: ModuleType) -> str:
    """The ways of a wait that are no moments."""
    if not isinstance(ways, list | tuple):
        return ""
    others = [way for way in ways if isinstance(way, str) and not way.startswith(("after ", "until "))]
    return ", ".join(_way(way, words) for way in others)


def _each(channels: Any, names: Mapping[str, Any], words: ModuleType) -> str:
    """Why each of several channels was refused."""
    if not isinstance(channels, dict) or len(channels) < 2:
        return ""
    each = []
    for name, reason in channels.items():
        shown = words.CHANNELS.get(name, name)
        each.append(f"{shown} – {clause(str(reason), {**names, 'channel': shown}, words)}")
    return "; ".join(each)


def spoken_span(written: str, words: ModuleType) -> str:
    """`1d12h` or `1 day, 12:00:00` in words; as it is where it is neither (a computed span)."""
    if found := _CLOCK.fullmatch(written):
        counts = [(int(found[number] or 0), unit) for number, unit in ((1, "d"), (2, "h"), (3, "m"), (4, "s"))]
    elif _SPAN.fullmatch(written):
        counts = [(int(number), unit) for number, unit in _PART.findall(written)]
    else:
        return written
    parts = [words.ONE.get(unit) if n == 1 and words.ONE else words.UNITS[unit].format(n=n) for n, unit in counts if n]
    return " ".join(str(part) for part in parts) or written


def _values(details: Mapping[str, Any], words: ModuleType, zone: tzinfo) -> dict[str, Any]:
    return {name: _value(value, words, zone) for name, value in details.items() if value not in (None, "", [])}


def _value(value: Any, words: ModuleType, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return moment(value, words, zone)
    if isinstance(value, list | tuple):
        return ", ".join(str(_value(item, words, zone)) for item in value)
    if isinstance(value, str) and _ISO.match(value):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment(at, words, zone) if at.tzinfo else value
    return value[:_LONGEST] if isinstance(value, str) else value


def _filled(templates: Iterable[str], names: Mapping[str, Any]) -> str:
    """The first template whose names are all known, else the last with what is known."""
    last = ""
    for template in templates:
        last = template
        if all(name in names for name in _named(template)):
            return template.format(**names)
    return last.format_map(_Unknown(names))


def _named(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


class _Unknown(dict[str, Any]):
    """Names that are not known, as a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"
