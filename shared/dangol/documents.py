"""Documents: what people write about journeys, messages and rules, and where each word of it stands."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from dangol import yaml_source
from dangol.problems import Path, Problem, errors, in_order, near
from dangol.yaml_source import Source

__all__ = [
    "DefinitionSet",
    "Document",
    "Path",
    "Problem",
    "errors",
    "from_json",
    "in_order",
    "near",
    "part_of",
    "problem",
    "read_dir",
    "read_texts",
    "to_json",
]

# Where each kind is written. A folder may have folders in it; a file may hold several, parted by `---` or as a list.
PLACES = {
    "workspace.yaml": "workspace",
    "events.yaml": "event",
    "traits/": "trait",
    "segments/": "segment",
    "stages.yaml": "stage",
    "caps.yaml": "caps",
    "coupons/": "coupon",
    "gateways.yaml": "gateway",
    "templates/": "template",
    "journeys/": "journey",
    "tests/": "test",
    "experiments/": "experiment",
    "catalogs/": "catalog",
}
KINDS = tuple(PLACES.values())
LARGEST = 1_000_000  # characters of a file
LONGEST_NAME = 200

_YAML = (".yaml", ".yml")
_CONTENT = {"mjml": (".mjml",), "html": (".html", ".htm"), "text": (".txt",)}


@dataclass(frozen=True, slots=True)
class Document:
    """One thing that is defined: its kind, its name, and its body as written (the naming field included).

    kind: workspace event trait segment stage caps coupon gateway template journey test experiment catalog.
    `version` is the number at which the body last changed. `text` is the YAML it was read from, which
    begins on `line` of `file`; `files` names the files whose content stands in the body (`email.mjml`).
    """

    kind: str
    name: str
    body: dict[str, Any]
    file: str = ""
    version: int = 0
    text: str = ""
    line: int = 1
    files: dict[str, str] = field(default_factory=dict)

    def at(self, path: Path = (), offset: int | None = None) -> tuple[int, int]:
        """Line and column, from 1, of a part of the body, or of a character of its text; (0, 0) without a text."""
        return yaml_source.spot(_source(self.text, self.line), path, offset) if self.text else (0, 0)

    def key_at(self, path: Path) -> tuple[int, int]:
        """Line and column of the key that names a part; (0, 0) without a text."""
        return yaml_source.key_spot(_source(self.text, self.line), path) if self.text else (0, 0)

    @property
    def said(self) -> str:
        """Its kind and name: `journey welcome`."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class DefinitionSet:
    """Everything published in one workspace under one number."""

    number: int
    workspace: str
    documents: tuple[Document, ...]

    def of(self, kind: str) -> tuple[Document, ...]:
        """The documents of a kind, in their order."""
        return tuple(document for document in self.documents if document.kind == kind)

    def one(self, kind: str, name: str) -> Document | None:
        """The document of that kind and name."""
        return next((document for document in self.documents if (document.kind, document.name) == (kind, name)), None)


@lru_cache(maxsize=256)
def _source(text: str, line: int) -> Source:
    return yaml_source.parse(text, line)


def problem(
    document: Document,
    path: Path,
    code: str,
    message: str,
    hint: str = "",
    *,
    warning: bool = False,
    offset: int | None = None,
    key: bool = False,
) -> Problem:
    """A problem at a part of a document: at its key with `key`, at a character of its text with `offset` (from 0).

    In a part that came from another file (`email.mjml`) an offset is a place in that file.
    """
    included = document.files.get(".".join(str(part) for part in path))
    if included and offset is not None:
        file, (line, column) = included, _spot_in(str(part_of(document.body, path)), offset)
    else:
        file, (line, column) = document.file, document.key_at(path) if key else document.at(path, offset)
    return Problem(file, line, column, code, message, hint, "warning" if warning else "error", path, document.said)


def _spot_in(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def to_json(document: Document) -> dict[str, Any]:
    """A document as the API takes it; its text goes along, so that the answer's problems have lines."""
    body: dict[str, Any] = {"kind": document.kind, "name": document.name, "body": document.body}
    if document.text:
        body |= {"file": document.file, "text": document.text, "line": document.line, "files": dict(document.files)}
    return body


def from_json(given: Mapping[str, Any]) -> Document:
    """The document an API call brings: {kind, name, body, file?, text?, line?, files?}."""
    return Document(
        kind=str(given["kind"]),
        name=str(given["name"]),
        body=dict(given["body"]),
        file=str(given.get("file") or ""),
        text=str(given.get("text") or ""),
        line=int(given.get("line") or 1),
        files=dict(given.get("files") or {}),
    )


def read_dir(directory: str | FilePath) -> tuple[list[Document], list[Problem]]:
    """All documents of a folder, and all that is wrong with its files."""
    root, texts, problems = FilePath(directory), {}, []
    if not root.is_dir():
        return [], [Problem(str(root), 0, 0, "no_directory", f"there is no folder {root}")]
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if not _is_read(name) or not file.is_file():
            continue
        try:
            texts[name] = file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
            problems.append(Problem(name, 1, 1, "unreadable", f"{name} {why}"))
    documents, found = read_texts(texts)
    return documents, in_order([*problems, *found])


def _is_read(name: str) -> bool:
    parts = name.split("/")
    if any(part.startswith((".", "node_modules")) for part in parts):
        return False
    suffix = posixpath.splitext(name)[1]
    return suffix in _YAML or (suffix in (".mjml", ".html", ".htm", ".txt", ".csv") and len(parts) > 1)


def read_texts(texts: Mapping[str, str]) -> tuple[list[Document], list[Problem]]:
    """All documents of these files (name, with its folders → text), and all that is wrong with them."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in sorted(name for name in texts if name.endswith(_YAML)):
        kind = _kind_at(file)
        if kind is None:
            hint = near(file.split("/")[0], [place.rstrip("/") for place in PLACES]) or f"known: {' '.join(PLACES)}"
            problems.append(Problem(file, 1, 1, "unknown_file", f"nothing reads {file}", hint, "warning"))
        elif len(texts[file]) > LARGEST:
            problems.append(Problem(file, 1, 1, "file_too_big", f"{file} has over {LARGEST} characters"))
        else:
            _read_file(file, kind, texts, documents, problems)
    return documents, in_order([*problems, *_twice(documents)])


def _kind_at(file: str) -> str | None:
    stem, folder = posixpath.splitext(file)[0], file.split("/")[0] + "/"
    return PLACES.get(f"{stem}.yaml") if "/" not in file else PLACES.get(folder)


def _read_file(
    file: str, kind: str, texts: Mapping[str, str], documents: list[Document], problems: list[Problem]
) -> None:
    for line, text in yaml_source.pieces(texts[file]):
        source = yaml_source.parse(text, line)
        problems += [Problem(file, one.line, one.column, one.code, one.message, one.hint) for one in source.faults]
        if source.value is None or source.faults:
            continue  # what YAML took wrongly would only give rise to more complaints
        for path, body in _bodies(source.value):
            told = _unnamed(kind, body)
            if told is not None:
                place = yaml_source.spot(source, (*path, kind) if told[0] == "bad_name" else path)
                problems.append(Problem(file, *place, *told))
                continue
            name = kind if kind == "caps" else body[kind]
            part = Document(kind, name, body, file, text=yaml_source.cut(source, path), line=source.places[path].line)
            documents.append(_with_content(part, texts, problems))


def _bodies(value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, list):
        yield from (((i,), item) for i, item in enumerate(value))
    else:
        yield (), value


def _unnamed(kind: str, body: Any) -> tuple[str, str, str] | None:
    """What stops a body from being a document of its kind: code, message, hint."""
    begins = f"a {kind} begins with `{kind}: NAME`"
    if not isinstance(body, dict):
        return "not_a_document", f"this is {_a(body)}, not a {kind}", begins if kind != "caps" else ""
    if kind == "caps":
        return None
    if kind not in body:
        other = next((other for other in KINDS if other in body and other != "event"), None)
        place = next((place for place, placed in PLACES.items() if placed == other), "")
        hint = f"a {other} belongs in {place}" if other else near(next(iter(body), ""), [kind]) or begins
        return "unnamed", f"this {kind} has no name", hint
    name = body[kind]
    if not isinstance(name, str) or not name.strip():
        return "bad_name", f"the name of a {kind} is text, not {_a(name)}", f'quote it: {kind}: "{name}"'
    if len(name) > LONGEST_NAME:
        return "bad_name", f"the name of a {kind} has at most {LONGEST_NAME} characters", ""
    return None


def _a(value: Any) -> str:
    names = {dict: "a map", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def _with_content(document: Document, texts: Mapping[str, str], problems: list[Problem]) -> Document:
    """The document with the files its templates name put in their place."""
    for path, key, name in list(_named_files(document)):
        file = posixpath.normpath(posixpath.join(posixpath.dirname(document.file), name))
        if file not in texts:
            hint = near(file, [other for other in texts if not other.endswith(_YAML)])
            problems.append(problem(document, (*path, key), "no_file", f"there is no file {file}", hint))
            continue
        document.files[".".join(str(part) for part in (*path, key))] = file
        part_of(document.body, path)[key] = _codes(texts[file]) if key == "codes" else texts[file]
    return document


def _codes(text: str) -> list[str]:
    """The first column of a list of coupon codes, its heading left out."""
    cells = [line.split(",")[0].strip().strip('"') for line in text.splitlines()]
    return [cell for cell in cells if cell and cell.lower() not in ("code", "codes")]


def part_of(body: Any, path: Path) -> Any:
    """The part of a body that stands at a path."""
    for part in path:
        body = body[part]
    return body


def _named_files(document: Document) -> Iterator[tuple[Path, str, str]]:
    if document.kind == "coupon" and isinstance(codes := document.body.get("codes"), str):
        yield (), "codes", codes
    if document.kind == "template":
        yield from _contents((), document.body)


def _contents(path: Path, body: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    for key, value in body.items():
        if isinstance(value, dict):
            yield from _contents((*path, key), value)
        elif isinstance(value, str) and re.fullmatch(r"\S+", value) and value.endswith(_CONTENT.get(key, ("\0",))):
            yield path, key, value


def _twice(documents: list[Document]) -> Iterator[Problem]:
    first: dict[tuple[str, str], Document] = {}
    for document in documents:
        other = first.setdefault((document.kind, document.name), document)
        if other is not document:
            said = f"{other.file}:{other.at()[0]} and {document.file}:{document.at()[0]}"
            path: Path = (document.kind,) if document.kind in document.body else ()
            yield problem(document, path, "twice", f"two documents are {document.said}, {said}", "rename one of them")
