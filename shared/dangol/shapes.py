"""What a document may hold, declared once: `shape_check` checks by it, `shape_schema` writes it as JSON Schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dangol.errors import Invalid
from dangol.problems import near
from dangol.spans import span


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a value is not what it should be. `offset` is the place inside its text."""

    code: str
    message: str
    hint: str = ""
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts: what it is called, how JSON Schema says it, and what more is asked of it."""

    what: str
    schema: Mapping[str, Any]
    test: Callable[[Any], Wrong | None]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one shape."""

    of: "Shape"
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Fields:
    """A map of named fields. `later`: words of the language that are not supported yet."""

    what: str
    fields: Mapping[str, "Shape"]
    needs: tuple[str, ...] = ()
    later: frozenset[str] = frozenset()
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with names of one's own."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A map that is told by the one field it surely has: a step by its verb, a way by its word."""

    what: str
    words: Mapping[str, Fields]
    later: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Either:
    """By its type: a scalar, a list, or a map."""

    scalar: Scalar | None = None
    items: ListOf | None = None
    map: "Fields | OneOf | MapOf | Named | None" = None


@dataclass(frozen=True, slots=True)
class Named:
    """A shape said elsewhere, so that steps may hold steps."""

    name: str
    get: Callable[[], "Shape"]


Shape = Scalar | ListOf | Fields | MapOf | OneOf | Either | Named


def kind_of(value: Any) -> str:
    """A value's type, as people say it."""
    names = {dict: "a map", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def _of(kind: str, schema: str, *types: type) -> Scalar:
    def test(value: Any) -> Wrong | None:
        if type(value) in types:
            return None
        hint = "quote it" if kind == "text" and isinstance(value, bool | int | float) else ""
        return Wrong("wrong_type", f"this is {kind_of(value)}, not {kind}", hint)

    return Scalar(kind, {"type": schema}, test)


TEXT = _of("text", "string", str)
TRUTH = _of("true or false", "boolean", bool)
WHOLE = _of("a whole number", "integer", int)
ANYTHING = Scalar("anything", {}, lambda value: None)
NOTHING_OR_TEXT = Scalar(
    "text", {"type": ["string", "null"]}, lambda value: None if value is None else TEXT.test(value)
)


def text(what: str, test: Callable[[str], Wrong | None], schema: Mapping[str, Any] | None = None) -> Scalar:
    """A text of which more is asked."""

    def tested(value: Any) -> Wrong | None:
        if not isinstance(value, str):
            hint = "quote it" if isinstance(value, bool | int | float) else ""
            return Wrong("wrong_type", f"this is {kind_of(value)}, not {what}", hint)
        return test(value)

    return Scalar(what, {"type": "string", **(schema or {})}, tested)


def choice(what: str, *words: str) -> Scalar:
    """One of these words."""

    def test(value: Any) -> Wrong | None:
        if value in words:
            return None
        hint = near(str(value), words) or f"one of: {', '.join(words)}"
        return Wrong("unknown_word", f"{value!r} is no {what}", hint)

    return Scalar(what, {"enum": list(words)}, test)


def whole(low: int, high: int) -> Scalar:
    """A whole number between two, both counted."""

    def test(value: Any) -> Wrong | None:
        if wrong := WHOLE.test(value):
            return wrong
        return None if low <= value <= high else Wrong("out_of_range", f"{value} is not between {low} and {high}")

    return Scalar(f"a number {low}–{high}", {"type": "integer", "minimum": low, "maximum": high}, test)


def _span(value: str) -> Wrong | None:
    try:
        span(value)
    except Invalid as wrong:
        return Wrong(wrong.code, wrong.message, wrong.hint)
    return None


SPAN = text("a span such as 24h", _span, {"pattern": r"^\s*(\d+(\.\d+)?(ms|[smhdw]))+\s*$"})
