"""Plain comparisons without CEL: where its answer and Python's are surely the same, at a tenth of the time.

`event.cart_id == entry.cart_id`, `event.price > 100`, `event.cart_id`, and several comparisons joined by `&&`. Only
for texts and for numbers that are exact in both; for everything else, also what is missing, CEL is asked.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from dangol_journey.cel_source import static_path
from dangol_journey.syntax import Chain, Item, Literal, Member, Node

Look = Callable[[Mapping[str, Any]], Any]  # a value in a scope, or UNSURE

UNSURE = object()  # ask CEL
EXACT = 2**53  # numbers up to here are the same as whole ones and as fractions
_SAME = {"==": operator.eq, "!=": operator.ne}
_COMPARES = {**_SAME, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?")


def shortcut_to_truth(node: Node) -> Look | None:
    """What tells whether a condition holds; None where it is not that plain."""
    if not isinstance(node, Chain):
        return None
    if all(sign == "&&" for sign, _ in node.rest):
        parts = [shortcut_to_truth(part) for part in (node.first, *(operand for _, operand in node.rest))]
        sure = [part for part in parts if part is not None]
        return _all(sure) if len(sure) == len(parts) else None
    sign, operand = node.rest[0]
    one, other = _operand(node.first), _operand(operand)
    if len(node.rest) > 1 or sign not in _COMPARES or one is None or other is None:
        return None
    return _compared(sign, one, other)


def shortcut_to_value(node: Node) -> Look | None:
    """What finds a text or a number by its path: an entry's key, a goal's value."""
    look = _field(node)
    if look is None:
        return None

    def found(scope: Mapping[str, Any]) -> Any:
        value = look(scope)
        return value if type(value) is str or _is_exact(value) else UNSURE

    return found


def _all(parts: list[Look]) -> Look:
    def hold(scope: Mapping[str, Any]) -> Any:
        answers = [part(scope) for part in parts]
        return UNSURE if UNSURE in answers else all(answers)

    return hold


def _compared(sign: str, one: Look, other: Look) -> Look:
    compare, of_texts = _COMPARES[sign], sign in _SAME

    def hold(scope: Mapping[str, Any]) -> Any:
        left, right = one(scope), other(scope)
        if type(left) is str and type(right) is str:
            return compare(left, right) if of_texts else UNSURE
        return compare(left, right) if _is_exact(left) and _is_exact(right) else UNSURE

    return hold


def _is_exact(value: Any) -> bool:
    return type(value) in (int, float) and -EXACT <= value <= EXACT


def _operand(node: Node) -> Look | None:
    if not isinstance(node, Literal):
        return _field(node)
    if node.kind == "text" and node.text[0] in "\"'" and "\\" not in node.text:
        return _always(node.text[1:-1])
    if node.kind == "number" and _NUMBER.fullmatch(node.text):
        return _always(float(node.text) if "." in node.text else int(node.text))
    return None


def _field(node: Node) -> Look | None:
    path = static_path(node)
    return _at(path) if path is not None and len(path) > 1 and not _escaped(node) else None


def _escaped(node: Node) -> bool:
    """Whether a key in the path is written with a backslash: CEL reads it."""
    match node:
        case Member(of):
            return _escaped(of)
        case Item(of, key):
            return _escaped(of) or (isinstance(key, Literal) and "\\" in key.text)
        case _:
            return False


def _always(value: str | float) -> Look:
    return lambda _: value


def _at(path: tuple[str, ...]) -> Look:
    def look(scope: Mapping[str, Any]) -> Any:
        value: Any = scope
        for name in path:
            if type(value) is not dict:
                return UNSURE
            value = value.get(name, UNSURE)
        return value

    return look
