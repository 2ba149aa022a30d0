"""YAML 1.2 → plain values that know where they stand; the mistakes YAML hides are refused and explained."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from dangol.problems import Path
from dangol.yaml_faults import explain

DEEPEST = 32
MOST_NODES = 50_000

_BREAK = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OWN_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a place of the text; line and column count from 1."""

    line: int
    column: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value, and the key that names it, stand in a text. `start` counts characters; `style` is the quoting."""

    line: int
    column: int
    start: int
    style: str = ""
    key: tuple[int, int] | None = None


@dataclass(slots=True)
class Source:
    """One YAML document: its value, and the place of every part of it."""

    value: Any = None
    text: str = ""
    line: int = 1  # of the file, on which `text` begins
    places: dict[Path, Place] = field(default_factory=dict)
    ends: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    nodes: int = 0

    def fault(self, line: int, column: int, code: str, message: str, hint: str = "") -> None:
        """Note a fault, at a line and column that count from 0 in `text`."""
        self.faults.append(Fault(self.line + line, column + 1, code, message, hint))


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a file, parted by `---`: first line and text of each. One broken piece hides no other."""
    starts = [0, *(found.end() for found in _BREAK.finditer(text))]
    ends = [*(found.start() for found in _BREAK.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        yield text.count("\n", 0, start) + 1, text[start:end]


def parse(text: str, line: int = 1) -> Source:
    """Read one YAML document; never raises: what is wrong is in `faults`."""
    source = Source(text=text, line=line)
    try:
        node = YAML(typ="rt").compose(StringIO(text))
    except (MarkedYAMLError, ReaderError) as error:
        source.fault(*explain(error, text))
    except RecursionError:
        source.fault(0, 0, "too_deep", f"this is nested deeper than {DEEPEST}")
    except YAMLError as error:
        source.fault(0, 0, "bad_yaml", str(error).splitlines()[0])
    else:
        if node is not None:
            source.value = _value(source, node, (), None)
    return source


def _value(source: Source, node: Node, path: Path, key: Node | None) -> Any:
    source.places[path] = _place(source, node, key)
    source.ends[path] = node.end_mark.index
    source.nodes += 1
    line, column = node.start_mark.line, node.start_mark.column
    if len(path) > DEEPEST or source.nodes > MOST_NODES:
        if source.nodes <= MOST_NODES + 1:
            source.fault(
                line, column, "too_deep", f"this is nested deeper than {DEEPEST}, or has over {MOST_NODES} parts"
            )
        return None
    if node.anchor:
        source.fault(
            line,
            column,
            "anchor",
            f"&{node.anchor} is YAML's anchor, which is not read here",
            "quote a value that begins with & or *",
        )
        return None
    match node:
        case MappingNode():
            return _mapping(source, node, path)
        case SequenceNode():
            return [_value(source, item, (*path, i), None) for i, item in enumerate(node.value)]
        case ScalarNode():
            return _scalar(source, node, key)
        case _:
            return None


def _place(source: Source, node: Node, key: Node | None) -> Place:
    mark = node.start_mark
    style = (getattr(node, "style", None) or "") if isinstance(node, ScalarNode) else ""
    named = (source.line + key.start_mark.line, key.start_mark.column + 1) if key is not None else None
    return Place(source.line + mark.line, mark.column + 1, mark.index, style, named)


def _mapping(source: Source, node: MappingNode, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line, column = key.start_mark.line, key.start_mark.column
        if not isinstance(key, ScalarNode):
            source.fault(
                line,
                column,
                "braces",
                "braces here make a map the name of a field",
                'quote a template: "{{ profile.name }}"',
            )
            continue
        name = str(key.value)
        if name in lines:
            message = f"the field {name} is given twice, lines {lines[name]} and {source.line + line}"
            source.fault(line, column, "duplicate_key", message, "keep one of them")
            continue
        lines[name] = source.line + line
        found[name] = _value(source, value, (*path, name), key)
    return found


def _scalar(source: Source, node: ScalarNode, key: Node | None) -> Any:
    text, line, column = str(node.value), node.start_mark.line, node.start_mark.column
    if not (node.tag or _OWN_TAG).startswith(_OWN_TAG):
        hint = f'quote it: "{node.tag}{" " + text if text else ""}"'
        source.fault(line, column, "tag", f"{node.tag} is read as a YAML tag, and would be lost", hint)
        return None
    if node.style:  # quoted or a block: always text
        return text
    if lost := _lost_to_a_comment(source.text, node, key):
        hint = f'quote it: "{(text + lost).strip()}"' if '"' not in text + lost else "quote it"
        line, column = _comment_spot(source.text, node, key, lost)
        source.fault(line, column, "comment", f"{lost.strip()} is read as a comment, and would be lost", hint)
        return None
    if _NOT_JSON.fullmatch(text):
        source.fault(line, column, "not_a_number", f"{text} is not a number that JSON knows")
        return None
    return plain(text)


def plain(text: str) -> Any:
    """The value of an unquoted scalar in YAML 1.2's core schema: `on`, `10:00` and dates are text."""
    if _NULL.fullmatch(text):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return float(text) if _NUMBER.fullmatch(text) else text


def _lost_to_a_comment(text: str, node: ScalarNode, key: Node | None) -> str:
    """What was surely meant as text and read as a comment: `안녕 #{name}님`, `to: #vip`."""
    at = node.end_mark.index if node.value or key is None else key.end_mark.index
    end = text.find("\n", at)
    rest = text[at : end if end >= 0 else len(text)]
    if re.match(r"\s+#\{", rest):
        return rest.rstrip()
    if not node.value and re.match(r"\s*:\s+#[^\s#]", rest):
        return rest.strip().lstrip(":").strip()
    return ""


def _comment_spot(text: str, node: ScalarNode, key: Node | None, lost: str) -> tuple[int, int]:
    """Where a comment begins that swallowed a value; where the value begins, if there is any."""
    mark = node.start_mark
    if node.value or key is None:
        return mark.line, mark.column
    at = text.index(lost.strip(), key.end_mark.index)
    return key.start_mark.line, at - (text.rfind("\n", 0, at) + 1)


def spot(source: Source, path: Path, offset: int | None = None) -> tuple[int, int]:
    """Line and column of a part, or of a character `offset` in its text; else of the nearest part above."""
    while path and path not in source.places:
        path, offset = path[:-1], None
    place = source.places.get(path)
    if place is None:
        return source.line, 1
    return _inside(source, place, offset) if offset is not None else (place.line, place.column)


def key_spot(source: Source, path: Path) -> tuple[int, int]:
    """The line and column of the key that names a part; of the part itself where it has none."""
    place = source.places.get(path)
    return place.key if place and place.key else spot(source, path)


def _inside(source: Source, place: Place, offset: int) -> tuple[int, int]:
    if place.style in ("|", ">"):
        return _inside_block(source, place, offset)
    at, left = place.start + (1 if place.style else 0), offset
    while left and at < len(source.text) and source.text[at] != "\n":
        at += 2 if _is_pair(source.text[at : at + 2], place.style) else 1
        left -= 1
    return place.line, place.column + at - place.start


def _is_pair(two: str, style: str) -> bool:
    return (style == '"' and two[:1] == "\\") or (style == "'" and two == "''")


def _inside_block(source: Source, place: Place, offset: int) -> tuple[int, int]:
    """A block's lines stand one under another; a folded one is searched line by line, near enough."""
    lines = source.text.split("\n")[place.line - source.line + 1 :]
    indent = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), 0)
    for row, line in enumerate(lines):
        length = max(len(line) - indent, 0) + 1
        if offset < length:
            return place.line + 1 + row, indent + offset + 1
        offset -= length
    return place.line, place.column


def cut(source: Source, path: Path) -> str:
    """The text of one part alone, what stands before it blanked, so that its lines and columns stay."""
    place, end = source.places[path], source.ends[path]
    line_start = source.text.rfind("\n", 0, place.start) + 1
    return " " * (place.start - line_start) + source.text[place.start : end].rstrip() + "\n"
