"""What a document may hold: one declaration, from which it is checked and its JSON Schema is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dangol.documents import Document, Path, Problem, problem
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


# ── scalars ───────────────────────────────────────────────────────────────────────────────────────


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


# ── checking ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Checked:
    """What checking a document found: its problems, and its body without what was wrong."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: Path, wrong: Wrong, *, key: bool = False) -> None:
        """Note what is wrong at a part."""
        said = problem(self.document, path, wrong.code, wrong.message, wrong.hint, offset=wrong.offset, key=key)
        self.problems.append(said)


_GONE = object()  # in place of a value that was wrong


def check_shape(shape: Shape, document: Document) -> tuple[dict[str, Any], list[Problem]]:
    """The problems, and the body without its wrong parts (in a list: None), so that more can be checked."""
    checked = Checked(document)
    body = _check(shape, document.body, (), checked)
    return (body if isinstance(body, dict) else {}), checked.problems


def _check(shape: Shape, value: Any, path: Path, checked: Checked) -> Any:
    match shape:
        case Named(_, get):
            return _check(get(), value, path, checked)
        case Scalar(_, _, test):
            if wrong := test(value):
                checked.wrong(path, wrong)
            return _GONE if wrong else value
        case ListOf():
            return _check_list(shape, value, path, checked)
        case Fields() | OneOf():
            return _check_map(shape, value, path, checked)
        case MapOf(of):
            if not isinstance(value, dict):
                return _wrong_type(value, "a map", path, checked)
            parts = {name: _check(of, part, (*path, name), checked) for name, part in value.items()}
            return {name: part for name, part in parts.items() if part is not _GONE}
        case Either():
            return _check_either(shape, value, path, checked)


def _wrong_type(value: Any, what: str, path: Path, checked: Checked) -> Any:
    checked.wrong(path, Wrong("wrong_type", f"this is {kind_of(value)}, not {what}"))
    return _GONE


def _check_list(shape: ListOf, value: Any, path: Path, checked: Checked) -> Any:
    if not isinstance(value, list):
        return _wrong_type(value, "a list", path, checked)
    if len(value) < shape.at_least:
        checked.wrong(path, Wrong("empty", "this list is empty"))
    parts = [_check(shape.of, part, (*path, i), checked) for i, part in enumerate(value)]
    return [None if part is _GONE else part for part in parts]


def _check_either(shape: Either, value: Any, path: Path, checked: Checked) -> Any:
    wanted = shape.map if isinstance(value, dict) else shape.items if isinstance(value, list) else shape.scalar
    if wanted is not None:
        return _check(wanted, value, path, checked)
    return _wrong_type(value, " or ".join(_allowed(shape)), path, checked)


def _allowed(shape: Either) -> list[str]:
    parts = (shape.scalar.what if shape.scalar else "", "a list" if shape.items else "", "a map" if shape.map else "")
    return [part for part in parts if part]


def _check_map(shape: Fields | OneOf, value: Any, path: Path, checked: Checked) -> Any:
    if not isinstance(value, dict):
        return _wrong_type(value, f"a map ({shape.what})", path, checked)
    if isinstance(shape, OneOf):
        word = _word(shape, value, path, checked)
        return _check_map(shape.words[word], value, path, checked) if word else _GONE
    parts = {name: _check_field(shape, name, part, path, checked) for name, part in value.items()}
    for name in shape.needs:
        if name not in value and not _meant(shape, name, value):
            checked.wrong(path, Wrong("missing_field", f"{shape.what} has no {name}", shape.hints.get(name, "")))
    return {name: part for name, part in parts.items() if part is not _GONE}


def _meant(shape: Fields, name: str, value: Mapping[str, Any]) -> bool:
    """Whether a field that is complained of already stands for the missing one."""
    unknown = [other for other in value if other not in shape.fields]
    return any(other in shape.later or other in shape.hints or near(other, [name]) for other in unknown)


def _check_field(shape: Fields, name: str, value: Any, path: Path, checked: Checked) -> Any:
    if name in shape.fields:
        return _check(shape.fields[name], value, (*path, name), checked)
    if name in shape.later:
        wrong = Wrong("not_yet_supported", f"{name} is not yet supported")
    else:
        hint = shape.hints.get(name) or near(name, shape.fields) or f"known: {', '.join(shape.fields)}"
        wrong = Wrong("unknown_field", f"{shape.what} has no field {name}", hint)
    checked.wrong((*path, name), wrong, key=True)
    return _GONE


def _word(shape: OneOf, value: Mapping[str, Any], path: Path, checked: Checked) -> str | None:
    """The word that tells what this is, or None with a problem."""
    words = [word for word in value if word in shape.words]
    if len(words) == 1:
        return words[0]
    for name in value:
        if name in shape.later:
            checked.wrong((*path, name), Wrong("not_yet_supported", f"{name} is not yet supported"), key=True)
            return None
    if len(words) > 1:
        said = " and ".join(words)
        checked.wrong(
            (*path, words[1]), Wrong("two_words", f"this {shape.what} is {said} at once", "make two of it"), key=True
        )
        return None
    known = {name for part in shape.words.values() for name in part.fields}
    first = next((name for name in value if name not in known), next(iter(value), ""))
    hint = near(first, shape.words) or f"one of: {', '.join(shape.words)}"
    if first == "on":
        hint = "an event is written event:, because some YAML readers take on for true"
    checked.wrong(
        (*path, first) if first else path,
        Wrong("unknown_word", f"{first or 'nothing'} is no {shape.what}", hint),
        key=True,
    )
    return None


# ── JSON Schema ───────────────────────────────────────────────────────────────────────────────────


def schema_of(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a shape; named shapes go into `definitions`, once each."""
    match shape:
        case Scalar(what, schema, _):
            return {**schema, "description": what}
        case ListOf(of, at_least):
            more = {"minItems": at_least} if at_least else {}
            return {"type": "array", "items": schema_of(of, definitions), **more}
        case MapOf(of):
            return {"type": "object", "additionalProperties": schema_of(of, definitions)}
        case Fields():
            return _schema_of_fields(shape, definitions)
        case OneOf(what, words, _):
            parts = [
                {**_schema_of_fields(part, definitions), "required": [word, *part.needs]}
                for word, part in words.items()
            ]
            return {"description": what, "oneOf": parts}
        case Either(scalar, items, a_map):
            options = [schema_of(option, definitions) for option in (scalar, items, a_map) if option is not None]
            return {"anyOf": options}
        case Named(name, get):
            if name not in definitions:
                definitions[name] = {}
                definitions[name] = schema_of(get(), definitions)
            return {"$ref": f"#/$defs/{name}"}


def _schema_of_fields(shape: Fields, definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": shape.what,
        "properties": {name: schema_of(part, definitions) for name, part in shape.fields.items()},
        "required": list(shape.needs),
        "additionalProperties": False,
    }
