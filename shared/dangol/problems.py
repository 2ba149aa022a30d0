"""What is wrong with a document: where, what, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Path = tuple[str | int, ...]  # a place inside a document's body


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` and `column` count from 1, and are 0 where the document has no text (it came as JSON).

    `code` is a stable name, `path` the place inside the body, `document` says which one: `journey welcome`.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    path: Path = ()
    document: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.document or self.file} {self.where}"
        said = f"{place}: {'warning: ' if self.severity == 'warning' else ''}{self.message}"
        return f"{said} ({self.hint})" if self.hint else said

    @property
    def where(self) -> str:
        """The path as a JSON path: `steps[2].send`."""
        said = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return said.removeprefix(".")


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that stop a publish."""
    return [problem for problem in problems if problem.severity == "error"]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file, line and column, each said once."""
    return sorted(set(problems), key=lambda problem: (problem.file, problem.line, problem.column, problem.message))


def near(word: str, known: Iterable[str]) -> str:
    """`did you mean X?` where a known word is near, else nothing. Case, `-`, `_` and spaces do not count."""
    plain = {_plain(other): other for other in sorted(known)}
    found = get_close_matches(_plain(word), plain, n=1, cutoff=0.7)
    return f"did you mean {plain[found[0]]}?" if found else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")
