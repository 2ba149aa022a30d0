"""A document held against its shape: all that is wrong with it, and its body without that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dangol.documents import Document, Path, Problem, problem
from dangol.problems import near
from dangol.shapes import Either, Fields, ListOf, MapOf, Named, OneOf, Scalar, Shape, Wrong, kind_of


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
