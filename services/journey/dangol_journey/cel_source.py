"""A condition's tree → the CEL its library runs: JSON's numbers, spans and moments that add up, code points."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from dangol.problems import near
from dangol_journey.syntax import (
    DEEPEST,
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
)

Mention = tuple[
    tuple[str, ...], int, bool
]  # a path, its place in the source, and whether it is only asked for by has()

# Functions that are ours, by how a condition writes them: (name in CEL, how many values it takes, as a method too).
OWN = {
    "size": ("_size", 1, True),
    "lower": ("_lower", 1, True),
    "upper": ("_upper", 1, True),
    "local": ("_local", 1, False),
    "timestamp": ("_timestamp", 1, False),
    "duration": ("_duration", 1, False),
    "abs": ("_abs", 1, False),
    "round": ("_round", 1, False),
    "floor": ("_floor", 1, False),
    "ceil": ("_ceil", 1, False),
    "min": ("_min", 2, False),
    "max": ("_max", 2, False),
}
CONVERSIONS = ("int", "double", "string")
METHODS = {"contains": 1, "startsWith": 1, "endsWith": 1, "matches": 1}
MACROS = {"exists": 2, "exists_one": 2, "all": 2, "map": 2, "filter": 2}
FUNCTIONS = ("has", *OWN, *CONVERSIONS, *METHODS, *MACROS)

_SUMS = {"+": "_add", "-": "_sub", "*": "_mul", "/": "_div", "%": "_mod"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let"),
        *("loop", "namespace", "null", "package", "return", "true", "var", "void", "while"),
    )
)
_WEAK = (Chain, Choice)


@dataclass(slots=True)
class Written:
    """What writing found out: the names mentioned, and which of our functions are called."""

    mentions: list[Mention] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    bound: tuple[str, ...] = ()  # variables of exists(), map() and their like

    def own(self, name: str, *given: str) -> str:
        """A call of one of our functions."""
        self.functions.add(name)
        return f"{name}({', '.join(given)})"


def write(node: Node, found: Written) -> str:
    """The CEL of a tree; raises `Ungrammatical` for functions that do not exist."""
    path = static_path(node)
    if path and path[0] not in found.bound:
        found.mentions.append((path, _start(node), False))
    return _WRITERS[type(node)](node, found)


def static_path(node: Node) -> tuple[str, ...] | None:
    """The names a chain of fields follows: `event.cart.value`, `event["a b"]`; None for anything worked out."""
    match node:
        case Name(name):
            return (name,)
        case Member(of, name):
            path = static_path(of)
            return (*path, name) if path else None
        case Item(of, Literal("text", text)) if (path := static_path(of)) is not None:
            return (*path, _unquoted(text))
        case _:
            return None


def _start(node: Node) -> int:
    while isinstance(node, Member | Item):
        node = node.of
    return node.at


def _unquoted(text: str) -> str:
    raw = text[0] in "rR"
    inner = text[2:-1] if raw else text[1:-1]
    return inner if raw else re.sub(r"\\(.)", r"\1", inner)


def quoted(text: str) -> str:
    """A text as CEL writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _held(node: Node, found: Written) -> str:
    """An operand, in brackets where it would fall apart."""
    said = write(node, found)
    return f"({said})" if isinstance(node, _WEAK) and not said.startswith("_") else said


def _literal(node: Literal, found: Written) -> str:
    return node.text


def _span(node: SpanOf, found: Written) -> str:
    return f'duration("{milliseconds(node.text)}ms")'


def milliseconds(text: str) -> int:
    """A written span in milliseconds."""
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
    return round(sum(float(n) * units[u] for n, u in re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdw])", text)))


def _name(node: Name, found: Written) -> str:
    return node.name if node.name in found.bound else root_name(node.name)


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and name not in _RESERVED


def root_name(name: str) -> str:
    """The variable of CEL that stands for a namespace, which may be a Korean step's name."""
    return name if _is_plain(name) and not name.startswith("_") else f"_{name.encode().hex()}"


def _member(node: Member, found: Written) -> str:
    of = _inside(node.of, found)
    return f"{of}.{node.name}" if _is_plain(node.name) else f"{of}[{quoted(node.name)}]"


def _item(node: Item, found: Written) -> str:
    of = _inside(node.of, found) if static_path(node) else _held(node.of, found)
    return f"{of}[{write(node.key, found)}]"


def _inside(node: Node, found: Written) -> str:
    """What a field is taken of: where it is a path, the whole of it is mentioned, and not its parts."""
    return _WRITERS[type(node)](node, found) if static_path(node) else _held(node, found)


def _call(node: Call, found: Written) -> str:
    if node.name == "has":
        return _has(node, found)
    if node.name in OWN:
        return _own(node, found)
    if node.name in MACROS and node.target is not None:
        return _macro(node, node.target, found)
    if node.name in METHODS and node.target is not None:
        return _method(node, node.target, found)
    if node.name in CONVERSIONS and node.target is None:
        _counted(node, 1, len(node.given))
        return f"{node.name}({write(node.given[0], found)})"
    raise unknown_function(node)


def unknown_function(node: Call) -> Ungrammatical:
    """There is no such function, or it is written the other way round."""
    if node.name in METHODS or node.name in MACROS:
        return Ungrammatical(node.at, f"{node.name} is called on a value", f"write x.{node.name}(…)")
    if node.name in OWN or node.name in CONVERSIONS or node.name == "has":
        return Ungrammatical(node.at, f"{node.name} is called with a value", f"write {node.name}(x)")
    hint = near(node.name, FUNCTIONS) or f"known: {' '.join(FUNCTIONS)}"
    return Ungrammatical(node.at, f"there is no function {node.name}", hint, "unknown_function")


def _counted(node: Call, wanted: int, given: int) -> None:
    if given != wanted:
        values = "1 value" if wanted == 1 else f"{wanted} values"
        raise Ungrammatical(node.at, f"{node.name} takes {values}, not {given}")


def _own(node: Call, found: Written) -> str:
    name, wanted, as_method = OWN[node.name]
    if node.target is not None and not as_method:
        raise unknown_function(node)
    given = (node.target, *node.given) if node.target is not None else node.given
    _counted(node, wanted, len(given))
    said = [write(one, found) for one in given]
    if node.name == "local":
        found.mentions.append((("zone",), node.at, False))
        said.append("zone")
    return found.own(name, *said)


def _has(node: Call, found: Written) -> str:
    """`has(event.a.b)`: each field down to it is there; in any script, which CEL's own has() is not."""
    _counted(node, 1, len(node.given))
    path = static_path(node.given[0])
    if path is None or len(path) < 2:
        raise Ungrammatical(node.at, "has asks for a field", "write has(event.cart_id)")
    if path[0] not in found.bound:
        found.mentions.append((path, _start(node.given[0]), True))
    of = path[0] if path[0] in found.bound else root_name(path[0])
    steps = []
    for name in path[1:]:
        steps.append(f"{quoted(name)} in {of}")
        of = f"{of}[{quoted(name)}]"
    return f"({' && '.join(steps)})"


def _macro(node: Call, target: Node, found: Written) -> str:
    _counted(node, MACROS[node.name], len(node.given))
    variable, body = node.given
    if not isinstance(variable, Name) or not _is_plain(variable.name):
        raise Ungrammatical(
            variable.at, f"{node.name} begins with a name for each item", f"write {node.name}(p, p.price > 1000)"
        )
    of = _held(target, found)
    outside, found.bound = found.bound, (*found.bound, variable.name)
    said = f"{of}.{node.name}({variable.name}, {write(body, found)})"
    found.bound = outside
    return said


def _method(node: Call, target: Node, found: Written) -> str:
    _counted(node, METHODS[node.name], len(node.given))
    given = node.given[0]
    if node.name == "matches" and not (isinstance(given, Literal) and given.kind == "text"):
        raise Ungrammatical(_start(given), "matches takes a pattern written out", 'write x.matches("^A[0-9]+$")')
    return f"{_held(target, found)}.{node.name}({write(given, found)})"


def _signed(node: Signed, found: Written) -> str:
    if node.sign == "-":
        return found.own("_sub", "0", write(node.of, found))
    return f"!{_held(node.of, found)}"


def _chain(node: Chain, found: Written) -> str:
    if node.rest[0][0] in _SUMS:
        if len(node.rest) >= DEEPEST:
            raise Ungrammatical(node.at, f"a sum of more than {DEEPEST} parts", code="condition_too_big")
        said = write(node.first, found)
        for sign, operand in node.rest:
            said = found.own(_SUMS[sign], said, write(operand, found))
        return said
    if len(node.rest) > 1 and node.rest[0][0] not in ("&&", "||"):
        raise Ungrammatical(node.at, "two comparisons in a row", "join them with &&: 1 <= x && x < 5")
    return " ".join([_held(node.first, found), *(f"{sign} {_held(operand, found)}" for sign, operand in node.rest)])


def _choice(node: Choice, found: Written) -> str:
    return " ".join((_held(node.condition, found), "?", _held(node.one, found), ":", _held(node.other, found)))


def _several(node: Several, found: Written) -> str:
    items = [write(item, found) for item in node.items]
    if node.keys is None:
        return f"[{', '.join(items)}]"
    keys = [write(key, found) for key in node.keys]
    return "{" + ", ".join(f"{key}: {item}" for key, item in zip(keys, items, strict=True)) + "}"


_WRITERS: dict[type[Node], Callable[..., str]] = {
    Literal: _literal,
    SpanOf: _span,
    Name: _name,
    Member: _member,
    Item: _item,
    Call: _call,
    Signed: _signed,
    Chain: _chain,
    Choice: _choice,
    Several: _several,
}
