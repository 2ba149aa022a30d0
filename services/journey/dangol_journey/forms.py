"""What journeys, traits, events, the workspace and tests may hold: the fields, and what each takes."""

import re
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from dangol.messages import Channel
from dangol.shapes import (
    ANYTHING,
    NOTHING_OR_TEXT,
    SPAN,
    TEXT,
    TRUTH,
    Either,
    Fields,
    ListOf,
    MapOf,
    Named,
    OneOf,
    Scalar,
    Shape,
    Wrong,
    choice,
    kind_of,
    text,
    whole,
)
from dangol_journey.conditions import Ungrammatical, compile_condition, compile_moment, compile_value

PREFERRED = "preferred"
CHANNELS = tuple(channel for channel in Channel if channel != Channel.WEBHOOK)
LATER_STEPS = frozenset({"split", "points", "emit", "call", "test"})
LATER_WAYS = frozenset({"item", "share", "segment", "stage", "leaves"})
LATER_ENTRIES = frozenset(
    ("segment", "stage", "schedule", "date", "item", "people", "each", "api", "leaves", "every", "before", "at", "when")
)

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
_NUMBER_FIRST = re.compile(r"\s*\d[\w .]*$")
_PERCENT = re.compile(r"\d{1,3}(\.\d{1,2})?%")


def _compiles(compiler: Any) -> Any:
    def test(value: str) -> Wrong | None:
        try:
            compiler(value)
        except Ungrammatical as wrong:
            return Wrong(wrong.code, wrong.message, wrong.hint, wrong.at)
        return None

    return test


def window_of(value: str) -> tuple[time, time] | None:
    """The hours `09:00-20:00` says."""
    found = _WINDOW.fullmatch(value.strip())
    if not found:
        return None
    hour, minute, until_hour, until_minute = map(int, found.groups())
    return time(hour, minute), time(until_hour, until_minute)


def _window(value: str) -> Wrong | None:
    if (hours := window_of(value)) is None:
        return Wrong("bad_window", f"{value!r} is not a window of hours", 'write "09:00-20:00"')
    return Wrong("bad_window", "the window begins where it ends") if hours[0] == hours[1] else None


def percent_of(value: str) -> int | None:
    """A share in 10,000ths."""
    share = round(float(value[:-1]) * 100) if _PERCENT.fullmatch(value) else 10_001
    return share if share <= 10_000 else None


def _percent(value: str) -> Wrong | None:
    return Wrong("bad_percent", f"{value!r} is not a share", "write 10%") if percent_of(value) is None else None


def _zone(value: str) -> Wrong | None:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        return Wrong("unknown_zone", f"{value!r} is no time zone", "write Asia/Seoul")
    return None


def _span(value: str) -> Wrong | None:
    return SPAN.test(value)


def _span_or_sum(value: str) -> Wrong | None:
    try:
        kind = compile_value(value).kind
    except Ungrammatical as wrong:
        if _NUMBER_FIRST.match(value):
            return _span(value)
        return Wrong(wrong.code, wrong.message, wrong.hint or "write a span: 24h, or a sum of spans", wrong.at)
    if kind in ("a span", "any"):
        return None
    return Wrong("bad_span", f"this is {kind}, not a span", "write a number and a unit: 90s, 30m, 24h, 7d, 2w")


def _span_wanted(value: Any) -> Wrong | None:
    if isinstance(value, str):
        return _span_or_sum(value)
    hint = f"give it a unit: {value}h" if type(value) in (int, float) else ""
    return Wrong("wrong_type", f"this is {kind_of(value)}, not a span such as 24h", hint)


CONDITION = text("a condition", _compiles(compile_condition))
VALUE = text("an expression", _compiles(compile_value))
MOMENT = text("a moment such as gift.expires_at - 6h", _compiles(compile_moment))
LENGTH = Scalar("a span such as 24h", {"type": "string"}, _span_wanted)
WINDOW = text('hours such as "09:00-20:00"', _window, {"pattern": f"^{_WINDOW.pattern}$"})
PERCENT = text("a share such as 10%", _percent, {"pattern": f"^{_PERCENT.pattern}$"})
ZONE = text("a time zone such as Asia/Seoul", _zone)
BY = Either(scalar=choice("channel", *CHANNELS, PREFERRED), items=ListOf(choice("channel", *CHANNELS, PREFERRED), 1))


def _again(value: Any) -> Wrong | None:
    if value in ("never", "always"):
        return None
    wrong = SPAN.test(value)
    return (
        Wrong("bad_again", f"{value!r} is not how often", "write never, always or a span such as 7d") if wrong else None
    )


AGAIN = Scalar("never, always or a span", {"type": "string"}, _again)

STEP: Shape = Named("step", lambda: _STEP)
STEPS = Either(items=ListOf(STEP, 1), map=Named("step", lambda: _STEP))
WAY = Named("way", lambda: _WAY)

_HOURS: dict[str, Shape] = {"between": WINDOW}
_EVENT_HINTS = {"on": "an event is written event:, because some YAML readers take on for true"}
_WAY: Shape = OneOf(
    "way of a wait",
    {
        "event": Fields("a way by event", {"event": TEXT, "where": CONDITION, "then": STEPS}),
        "opened": Fields("a way by open", {"opened": TEXT, "then": STEPS}),
        "clicked": Fields("a way by click", {"clicked": TEXT, "then": STEPS}),
        "delivered": Fields("a way by delivery", {"delivered": TEXT, "then": STEPS}),
        "when": Fields("a way by condition", {"when": CONDITION, "then": STEPS}, later=LATER_WAYS),
        "after": Fields(
            "a way by span", {"after": LENGTH, "since": choice("start", "latest"), **_HOURS, "then": STEPS}
        ),
        "until": Fields(
            "a way by moment", {"until": MOMENT, **_HOURS, "or": choice("side", "earlier", "later"), "then": STEPS}
        ),
    },
    LATER_WAYS,
)
_FORK: Shape = OneOf(
    "way of a branch",
    {
        "when": Fields("a way by condition", {"when": CONDITION, "then": STEPS}),
        "else": Fields("else", {"else": STEPS}),
    },
    LATER_WAYS,
)


def _step(verb: str, needs: tuple[str, ...] = (), hints: dict[str, str] | None = None, /, **fields: Shape) -> Fields:
    named = {name.rstrip("_"): shape for name, shape in fields.items()}
    return Fields(f"the step {verb}", {**named, "as": STEP_NAME}, needs, frozenset({"at_most"}), hints or {})


def _step_name(value: str) -> Wrong | None:
    if value in RESERVED:
        return Wrong("reserved_name", f"{value} already means something in conditions", "choose another name")
    return None if value.strip() else Wrong("empty", "a name is missing")


RESERVED = frozenset({"event", "entry", "latest", "seen", "context", "profile", "item", "now", "zone", "was"})
STEP_NAME = text("a name", _step_name)

_STEP: Shape = OneOf(
    "step",
    {
        "wait": _step(
            "wait",
            wait=Either(scalar=LENGTH, items=ListOf(WAY, 1), map=WAY),
            since=choice("start", "latest"),
            between=WINDOW,
        ),
        "branch": _step("branch", branch=ListOf(Named("fork", lambda: _FORK), 1)),
        "send": _step("send", send=TEXT, by=BY, within=SPAN, otherwise=STEPS, to=TEXT),
        "coupon": _step("coupon", coupon=TEXT),
        "set": _step(
            "set",
            set=MapOf(
                Either(scalar=ANYTHING, items=ListOf(ANYTHING), map=Fields("a value", {"value": VALUE}, ("value",)))
            ),
        ),
        "webhook": _step("webhook", webhook=TEXT, json=ANYTHING, within=SPAN),
        "go": Fields("the step go", {"go": TEXT, "at_most": whole(1, 1000), "as": STEP_NAME}),
        "exit": _step("exit", exit=NOTHING_OR_TEXT),
    },
    LATER_STEPS,
)

JOURNEY = Fields(
    "a journey",
    {
        "journey": TEXT,
        "about": TEXT,
        "enter": Fields(
            "the entry",
            {"event": TEXT, "where": CONDITION, "key": VALUE, "again": AGAIN, "late": SPAN},
            ("event",),
            LATER_ENTRIES,
            _EVENT_HINTS,
        ),
        "exit": Either(items=ListOf(Named("exit", lambda: _EXIT), 0), map=Named("exit", lambda: _EXIT)),
        "goal": Fields(
            "the goal",
            {"event": TEXT, "where": CONDITION, "within": SPAN, "value": VALUE},
            ("event",),
            hints=_EVENT_HINTS,
        ),
        "holdout": PERCENT,
        "priority": whole(0, 100),
        "paused": TRUTH,
        "managed": choice("manager", "files", "console"),
        "steps": ListOf(STEP, 1),
    },
    ("journey", "enter", "steps"),
    hints=_EVENT_HINTS,
)
_EXIT: Shape = Fields(
    "an exit", {"event": TEXT, "where": CONDITION, "as": TEXT}, ("event",), LATER_ENTRIES, _EVENT_HINTS
)

_OF_EVENT = {"where": CONDITION}
_LATER_TRAITS = frozenset({"min", "max", "distinct", "days_since", "formula", "over"})
TRAIT = OneOf(
    "trait",
    {
        verb: Fields(
            f"a trait by {verb}", {"trait": TEXT, verb: TEXT, **_OF_EVENT, "about": TEXT}, ("trait",), _LATER_TRAITS
        )
        for verb in ("count", "sum", "first", "last")
    },
    _LATER_TRAITS,
)

KINDS_OF_PROPERTY = ("string", "number", "integer", "boolean", "datetime", "list", "map")
PROPERTY = choice("kind of property", *KINDS_OF_PROPERTY, *(f"{kind}!" for kind in KINDS_OF_PROPERTY))
EVENT = Fields(
    "an event",
    {"event": TEXT, "aka": Either(scalar=TEXT, items=ListOf(TEXT)), "has": MapOf(PROPERTY), "about": TEXT},
    ("event",),
)

WORKSPACE = Fields(
    "the workspace",
    {
        "workspace": TEXT,
        "zone": ZONE,
        "locale": TEXT,
        "packs": ListOf(TEXT),
        "sender": MapOf(ANYTHING),
        "consent": MapOf(
            Fields(
                "a consent trait",
                {
                    "purpose": TEXT,
                    "channels": ListOf(choice("consent channel", "email", "sms", "push", "kakao", "in_app", "all"), 1),
                },
            )
        ),
        "managed": choice("manager", "files", "console"),
        "about": TEXT,
    },
    ("workspace",),
)

TEST = Fields(
    "a test",
    {
        "test": TEXT,
        "journey": TEXT,
        "person": MapOf(ANYTHING),
        "given": ListOf(MapOf(ANYTHING), 1),
        "expect": ListOf(MapOf(ANYTHING), 1),
        "about": TEXT,
    },
    ("test", "journey", "given", "expect"),
)

FORMS: dict[str, Shape] = {"journey": JOURNEY, "trait": TRAIT, "event": EVENT, "workspace": WORKSPACE, "test": TEST}
LATER_KINDS = frozenset({"segment", "stage", "experiment", "catalog"})
