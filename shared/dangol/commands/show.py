"""How the command line shows things: problems with their line and a caret, people's timelines, one line an event."""

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleRenderable, RenderHook
from rich.text import Text

KEPT = "\n\t"
# What would move a terminal's cursor, or turn its text round: C0 as their pictures, so that a length stays a length.
UNSEEN = {code: 0x2400 + code for code in range(32) if chr(code) not in KEPT}
UNSEEN |= dict.fromkeys([*range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


class Harmless(RenderHook):
    """Shows the control characters of a text: names of events and ids come from anybody who has a browser key."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """The same, with what a terminal would obey in the place of what it shows."""
        return [_seen(one) if isinstance(one, Text) else one for one in renderables]


def console(*, stderr: bool = False) -> Console:
    """Where commands print: text is text, whatever brackets and control characters it holds."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
    made.push_render_hook(Harmless())
    return made


def _seen(text: Text) -> Text:
    shown = text.copy()
    shown.plain = text.plain.translate(UNSEEN)
    return shown


out = console()
err = console(stderr=True)


def problems(found: Iterable[Mapping[str, Any]], root: Path | None = None) -> int:
    """Print each problem as `file:line:column: message`, its line, a caret and a hint; returns how many are errors."""
    errors = 0
    for problem in found:
        errors += problem.get("severity", "error") == "error"
        err.print(_problem(problem, root))
    return errors


def _problem(problem: Mapping[str, Any], root: Path | None) -> Text:
    is_error = problem.get("severity", "error") == "error"
    line, column = int(problem.get("line") or 0), int(problem.get("column") or 0)
    text = Text()
    text.append(f"{problem.get('file') or 'document'}:{line}:{column}: ", style="bold")
    text.append("error: " if is_error else "warning: ", style="bold red" if is_error else "bold yellow")
    text.append(str(problem["message"]))
    for extra in (_source(root, str(problem.get("file", "")), line, column), _hint(problem)):
        if extra:
            text.append("\n" + extra, style="dim")
    return text


def _hint(problem: Mapping[str, Any]) -> str:
    return f"    hint: {problem['hint']}" if problem.get("hint") else ""


def _source(root: Path | None, file: str, line: int, column: int) -> str:
    path = (root or Path()) / file
    if line < 1 or not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if line > len(lines):
        return ""
    shown = lines[line - 1]
    return f"    {shown}\n    {' ' * width(shown[: max(column - 1, 0)])}^"


def width(text: str) -> int:
    """How many terminal cells a text takes: Korean letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def refusal(message: str, hint: str = "", where: str = "") -> None:
    """Print one error, with its place and its mend."""
    text = Text("error: ", style="bold red")
    text.append(f"{where}: {message}" if where else message, style="not bold")
    if hint:
        text.append(f"\n  hint: {hint}", style="dim")
    err.print(text)
