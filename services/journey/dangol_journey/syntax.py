"""The grammar of conditions: CEL with spans (`30d`) and names in any script, as a tree that knows its columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 4096  # bytes of source
MOST_NODES = 2000
DEEPEST = 48

_SPAN = r"\d+(?:\.\d+)?(?:ms|[smhdw])(?:\d+(?:\.\d+)?(?:ms|[smhdw]))*(?!\w)"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)|(?P<span>{_SPAN})|(?P<number>0x[0-9a-fA-F]+|(?:\d+\.\d+|\d+)(?:[eE][-+]?\d+)?)(?![\w])
    |(?P<text>[rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))|(?P<name>[^\W\d]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:()\[\]{{}},.])""",
    re.VERBOSE,
)


class Ungrammatical(Exception):
    """A condition that cannot be read: where in its text, what is wrong, and how to mend it."""

    def __init__(self, at: int, message: str, hint: str = "", code: str = "bad_condition") -> None:
        super().__init__(message)
        self.at, self.message, self.hint, self.code = at, message, hint, code


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of source: its kind (a group of the lexer), its text, its offset."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, true, false or null, as CEL writes it."""

    kind: str  # number | text | truth | null
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class SpanOf:
    """A span of time, as written: `30d`."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name by itself."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Member:
    """A field of something."""

    of: "Node"
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Item:
    """A place in a list, or a key of a map, worked out."""

    of: "Node"
    key: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or a method where it has a target."""

    name: str
    target: "Node | None"
    given: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Signed:
    """`!x` or `-x`."""

    sign: str
    of: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands joined by signs of one strength, from the left: `a && b && c`, `a - b + c`."""

    first: "Node"
    rest: tuple[tuple[str, "Node"], ...]
    at: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? one : other`."""

    condition: "Node"
    one: "Node"
    other: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Several:
    """A list, or a map where `keys` is given."""

    items: tuple["Node", ...]
    keys: tuple["Node", ...] | None
    at: int


Node = Literal | SpanOf | Name | Member | Item | Call | Signed | Chain | Choice | Several

# Weakest first; `in` is a comparison.
STRENGTHS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))

_HINTS = {
    "=": "equal is written ==",
    "&": "and is written &&",
    "|": "or is written ||",
    "“": 'write plain quotes: "…"',
    "”": 'write plain quotes: "…"',
    "‘": "write plain quotes: '…'",
    "’": "write plain quotes: '…'",
    '"': "the quote is not closed",
    "'": "the quote is not closed",
}
_WORDS = {
    "and": "and is written &&",
    "or": "or is written ||",
    "not": "not is written !",
    "AND": "and is written &&",
    "OR": "or is written ||",
    "is": "equal is written ==",
}


def tokens(source: str) -> Iterator[Token]:
    """The pieces of a source, spaces left out, an `end` at the end; raises `Ungrammatical`."""
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None or found.lastgroup is None:
            raise _stray(source, at)
        if found.lastgroup != "space":
            yield Token(found.lastgroup, found.group(), at)
        at = found.end()
    yield Token("end", "", len(source))


def _stray(source: str, at: int) -> Ungrammatical:
    sign = source[at]
    if sign.isdigit():
        return Ungrammatical(
            at, "this number is followed by letters", "a span is a number and a unit: 90s, 30m, 24h, 7d, 2w"
        )
    if sign in "\"'":
        return Ungrammatical(at, f"the quote {sign} is not closed", "close it on the same line")
    return Ungrammatical(at, f"{sign!r} means nothing here", _HINTS.get(sign, ""))


class _Reader:
    """Reads one condition from its tokens, by strength of the signs."""

    def __init__(self, source: str) -> None:
        self.tokens = list(tokens(source))
        self.place = 0
        self.nodes = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def take(self, *texts: str) -> Token | None:
        token = self.token
        if token.text in texts and token.kind in ("sign", "name"):
            self.place += 1
            return token
        return None

    def need(self, text: str, what: str) -> None:
        if not self.take(text):
            raise self.unexpected(f"{text} is missing {what}")

    def unexpected(self, otherwise: str) -> Ungrammatical:
        token = self.token
        if token.kind == "end":
            return Ungrammatical(token.at, f"the condition ends too early: {otherwise}")
        return Ungrammatical(token.at, f"{token.text!r} is not expected here: {otherwise}", _WORDS.get(token.text, ""))

    def made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Ungrammatical(0, f"the condition has more than {MOST_NODES} parts", code="condition_too_big")
        return node

    def whole(self) -> Node:
        node = self.choice()
        if self.token.kind != "end":
            raise self.unexpected("a sign such as && or == is missing before it")
        return node

    def choice(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Ungrammatical(
                self.token.at, f"the condition is nested deeper than {DEEPEST}", code="condition_too_big"
            )
        node = self.chain(0)
        if asked := self.take("?"):
            one = self.choice()
            self.need(":", "in x ? y : z")
            node = self.made(Choice(node, one, self.choice(), asked.at))
        self.depth -= 1
        return node

    def chain(self, strength: int) -> Node:
        if strength == len(STRENGTHS):
            return self.signed()
        at, first, rest = self.token.at, self.chain(strength + 1), []
        while sign := self.take(*STRENGTHS[strength]):
            rest.append((sign.text, self.chain(strength + 1)))
        return self.made(Chain(first, tuple(rest), at)) if rest else first

    def signed(self) -> Node:
        if sign := self.take("!", "-"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise Ungrammatical(sign.at, f"the condition is nested deeper than {DEEPEST}", code="condition_too_big")
            node = self.made(Signed(sign.text, self.signed(), sign.at))
            self.depth -= 1
            return node
        return self.parts(self.atom())

    def parts(self, node: Node) -> Node:
        while sign := self.take(".", "["):
            at = self.token.at
            if sign.text == "[":
                node = self.made(Item(node, self.choice(), at))
                self.need("]", "after the place in the list")
                continue
            name = self.named_part()
            given = self.given() if self.take("(") else None
            node = self.made(Member(node, name, at) if given is None else Call(name, node, given, at))
        return node

    def named_part(self) -> str:
        token = self.token
        if token.kind != "name":
            raise self.unexpected("a name is missing after the dot")
        self.place += 1
        return token.text

    def given(self) -> tuple[Node, ...]:
        return tuple(self.several(")"))

    def several(self, closing: str) -> list[Node]:
        found: list[Node] = []
        while not self.take(closing):
            if found:
                self.need(",", "between two values")
            found.append(self.choice())
        return found

    def atom(self) -> Node:
        token = self.token
        self.place += 1
        match token.kind:
            case "span":
                return self.made(SpanOf(token.text, token.at))
            case "number" | "text":
                return self.made(Literal(token.kind, token.text, token.at))
            case "name":
                return self.named(token)
            case _:
                return self.bracketed(token)

    def named(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return self.made(Literal("truth", token.text, token.at))
        if token.text == "null":
            return self.made(Literal("null", token.text, token.at))
        if self.take("("):
            return self.made(Call(token.text, None, self.given(), token.at))
        return self.made(Name(token.text, token.at))

    def bracketed(self, token: Token) -> Node:
        if token.text == "(":
            node = self.choice()
            self.need(")", "to close the bracket")
            return node
        if token.text == "[":
            return self.made(Several(tuple(self.several("]")), None, token.at))
        if token.text == "{":
            return self.made(self.map(token.at))
        self.place -= 1
        raise self.unexpected("a value is missing")

    def map(self, at: int) -> Several:
        keys: list[Node] = []
        values: list[Node] = []
        while not self.take("}"):
            if keys:
                self.need(",", "between two entries")
            keys.append(self.choice())
            self.need(":", "between a key and its value")
            values.append(self.choice())
        return Several(tuple(values), tuple(keys), at)


def read(source: str) -> Node:
    """The tree of a condition; raises `Ungrammatical`."""
    if len(source.encode()) > LONGEST:
        raise Ungrammatical(0, f"the condition is longer than {LONGEST} bytes", code="condition_too_big")
    if not source.strip():
        raise Ungrammatical(0, "the condition is empty")
    return _Reader(source).whole()
