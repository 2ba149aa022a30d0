"""Conditions: CEL compiled once, checked against the names that exist, worked out on the names it mentions alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cel

from dangol_journey import sums
from dangol_journey.cel_source import Mention, Written, milliseconds, root_name, write
from dangol_journey.journey import Missing
from dangol_journey.shortcuts import UNSURE, Look, shortcut_to_truth, shortcut_to_value
from dangol_journey.syntax import (
    Call,
    Chain,
    Choice,
    Item,
    Literal,
    Member,
    Name,
    Node,
    Several,
    Signed,
    SpanOf,
    Ungrammatical,
    read,
)

__all__ = ["Condition", "Shifted", "Ungrammatical", "compile_condition", "compile_moment", "compile_value", "kind_of"]

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"})


@dataclass(frozen=True)
class Condition:
    """A compiled expression (`journey.Expression`). With `truth` its value is true or false, and nothing else.

    `names` are the paths it mentions; `mentions` the same with their places in the source.
    """

    source: str
    names: frozenset[str]
    mentions: tuple[Mention, ...]
    truth: bool
    kind: str
    functions: tuple[str, ...]
    program: cel.Program
    shortcut: Look | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and (self.source, self.truth) == (other.source, other.truth)

    def __hash__(self) -> int:
        return hash(self.source)

    def value(self, scope: Mapping[str, Any]) -> Any:
        """Its value; raises `Missing` where a named value is not there, or is not what is done with it."""
        if self.shortcut is not None and (known := self.shortcut(scope)) is not UNSURE:
            return known
        failed: list[str] = []
        given: dict[str, Any] = self._project(scope)
        for name in self.functions:
            given[name] = sums.calm(sums.FUNCTIONS[name], failed)
        try:
            value = self.program.execute(given)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
            raise self._missing(scope, error) from None
        if failed or (self.truth and value is not True and value is not False):
            raise self._missing(scope, None)
        return value

    def _project(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for path, _, _ in self.mentions:
            root, held = root_name(path[0]), scope.get(path[0])
            if len(path) == 1:
                given[root] = held
            elif isinstance(held, Mapping) and given.setdefault(root, {}) is not held:
                _put(given[root], path[1:], held)
            else:
                given.setdefault(root, {})
        return given

    def _missing(self, scope: Mapping[str, Any], error: Exception | None) -> Missing:
        absent = [path for path, _, only_asked in self.mentions if not only_asked and not _there(scope, path)]
        named = str(error.args[0]) if isinstance(error, KeyError) and error.args else ""
        if path := next((path for path in absent if named in path), absent[0] if absent else None):
            return Missing(".".join(path))
        told = (
            f"{'.'.join(path)} ({_kind(_at(scope, path))})" for path, _, only_asked in self.mentions if not only_asked
        )
        return Missing(", ".join(dict.fromkeys(told)) or self.source)


@dataclass(frozen=True, slots=True)
class Shifted:
    """A moment and the span it is moved by: `gift.expires_at - 6h`."""

    moment: Condition
    shift: timedelta


def compile_condition(source: str) -> Condition:
    """A condition: true or false. Raises `Ungrammatical` with the offset in the source."""
    node = read(source)
    if (kind := kind_of(node)) not in ("truth", "any"):
        raise Ungrammatical(0, f"this is {kind}, not a condition", "compare it: ==, !=, <, >", "not_a_condition")
    if isinstance(node, Chain) and node.rest[0][0] not in _COMPARISONS:
        dashed = "; a step's name with - in it reads as a subtraction" if node.rest[0][0] == "-" else ""
        raise Ungrammatical(0, "this is a sum, not a condition", f"compare it: ==, !=, <, >{dashed}", "not_a_condition")
    return _compiled(source, node, truth=True)


def compile_value(source: str) -> Condition:
    """An expression of any kind; `kind` tells what is known of it (truth number text span moment any)."""
    return _compiled(source, read(source), truth=False)


def compile_moment(source: str) -> Shifted:
    """A moment, perhaps with `± 6h` after it. Raises `Ungrammatical` where it cannot be one."""
    node = read(source)
    if (kind := kind_of(node)) not in ("moment", "any"):
        hint = "write after: for a span" if kind == "a span" else ""
        raise Ungrammatical(0, f"this is {kind}, not a moment", hint, "not_a_moment")
    if isinstance(node, Chain) and node.rest[-1][0] in "+-" and isinstance(node.rest[-1][1], SpanOf):
        sign, by = node.rest[-1]
        rest: Node = Chain(node.first, node.rest[:-1], node.at) if node.rest[:-1] else node.first
        at = source.rindex(sign, 0, by.at)
        shift = timedelta(milliseconds=milliseconds(source[by.at :])) * (1 if sign == "+" else -1)
        return Shifted(_compiled(source[:at].rstrip(), rest, truth=False), shift)
    return Shifted(_compiled(source, node, truth=False), timedelta())


def _compiled(source: str, node: Node, *, truth: bool) -> Condition:
    found = Written()
    text = write(node, found)
    try:
        program = cel.compile(text)
        _try_patterns(node)
    except (ValueError, RuntimeError) as error:
        raise Ungrammatical(0, f"CEL cannot read this: {str(error).splitlines()[0]}") from None
    names = frozenset(".".join(path) for path, _, _ in found.mentions)
    mentions = tuple(dict.fromkeys(found.mentions))
    functions, shortcut = tuple(sorted(found.functions)), (shortcut_to_truth if truth else shortcut_to_value)(node)
    return Condition(source, names, mentions, truth, kind_of(node), functions, program, shortcut)


def _try_patterns(node: Node) -> None:
    """Have every pattern of `matches` read now, when it can still be mended."""
    for part in _parts(node):
        if isinstance(part, Call) and part.name == "matches" and isinstance(part.given[0], Literal):
            try:
                cel.compile(f'"".matches({part.given[0].text})').execute({})
            except RuntimeError:
                raise Ungrammatical(
                    part.given[0].at, f"{part.given[0].text} is not a pattern", code="bad_pattern"
                ) from None


def _parts(node: Node) -> list[Node]:
    below: list[Node] = []
    match node:
        case Call(_, target, given):
            below = [*([target] if target else []), *given]
        case Chain(first, rest):
            below = [first, *(operand for _, operand in rest)]
        case Choice(condition, one, other):
            below = [condition, one, other]
        case Several(items, keys):
            below = [*items, *(keys or ())]
        case Signed(_, of) | Member(of):
            below = [of]
        case Item(of, key):
            below = [of, key]
        case Literal() | SpanOf() | Name():
            pass
    return [node, *(part for one in below for part in _parts(one))]


def kind_of(node: Node) -> str:
    """What a tree surely gives: truth, a number, text, a span, a list; `any` where only the values tell."""
    match node:
        case Literal(kind):
            return {"number": "a number", "text": "text", "truth": "truth"}.get(kind, "nothing")
        case SpanOf():
            return "a span"
        case Several(_, keys):
            return "a list" if keys is None else "a map"
        case Signed(sign, of):
            return "truth" if sign == "!" else kind_of(of)
        case Chain(first, rest):
            return "truth" if rest[0][0] in _COMPARISONS else _kind_of_sum(first, rest)
        case Call(name):
            return _KINDS_OF_CALLS.get(name, "any")
        case _:
            return "any"


_KINDS_OF_CALLS = {
    **dict.fromkeys(("has", "exists", "exists_one", "all", "contains", "startsWith", "endsWith", "matches"), "truth"),
    **dict.fromkeys(("size", "int", "double", "abs", "round", "floor", "ceil", "min", "max"), "a number"),
    **dict.fromkeys(("string", "lower", "upper"), "text"),
    **dict.fromkeys(("map", "filter"), "a list"),
    "duration": "a span",
    "timestamp": "moment",
}


def _kind_of_sum(first: Node, rest: tuple[tuple[str, Node], ...]) -> str:
    kinds = {kind_of(first), *(kind_of(operand) for _, operand in rest)}
    if "a span" in kinds and rest[0][0] in "*":
        return "a span"
    return kinds.pop() if len(kinds) == 1 else "any"


def _put(into: dict[str, Any], path: tuple[str, ...], value: Mapping[str, Any]) -> None:
    """Copy one path of a value, and nothing beside it."""
    for name in path[:-1]:
        below = value.get(name)
        if not isinstance(below, Mapping):
            if name in value:
                into[name] = below
            return
        if into.get(name) is below:  # mentioned whole, and there already
            return
        into, value = into.setdefault(name, {}), below
    if path[-1] in value:
        into[path[-1]] = value[path[-1]]


_ABSENT = object()


def _at(scope: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = scope
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def _there(scope: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    return _at(scope, path) is not _ABSENT


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "number", float: "number", str: "text", list: "list", dict: "map"}
    return kinds.get(type(value), type(value).__name__)
