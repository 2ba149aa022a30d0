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

LANGUAGES: Mapping[str, ModuleType] = {"en": english, "ko": korean}
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
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
    names = _values(decision.details, words, zone)
    known = {
        "event": decision.input_name,
        "journey": decision.journey,
        "step": decision.step,
        "gateway": decision.gateway,
        "channel": words.CHANNELS.get(decision.channel, decision.channel),
        "template": decision.details.get("template"),
    }
    names |= {name: value for name, value in known.items() if value}
    if decision.verdict is Verdict.RECEIVED:
        names["kind"] = words.KINDS.get(names.get("kind"), names.get("kind"))
    return names


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
