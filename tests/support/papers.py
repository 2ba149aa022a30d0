"""The project's papers as tests read them: fenced blocks with their info string, tables, and definitions in them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dangol.definitions import DefinitionSet, check
from dangol.documents import Problem, read_dir, read_texts

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "shared" / "dangol" / "starter"
EXAMPLE = "journey: example\nenter: {event: Product Added, key: event.cart_id}\nsteps:\n"
_FENCE = re.compile(r"(?ms)^```([^\n`]*)\n(.*?)^```$")


@dataclass(frozen=True)
class Block:
    """A fenced block: the words after the fence (`sh run`, `yaml journeys/x.yaml`), its text, and its line."""

    info: str
    text: str
    line: int


def blocks(paper: str) -> list[Block]:
    """The fenced blocks of a paper, in their order."""
    text = (ROOT / paper).read_text()
    return [
        Block(found[1].strip(), found[2], text.count("\n", 0, found.start()) + 2) for found in _FENCE.finditer(text)
    ]


def files_of(block: Block) -> dict[str, str]:
    """The file of a `yaml FILE` block; of `yaml steps`, a journey that has them."""
    file = block.info.split()[1]
    return {"journeys/example.yaml": EXAMPLE + block.text} if file == "steps" else {file: block.text}


def problems_of(block: Block) -> list[Problem]:
    """What is wrong with a block's file when it is put among the starter's."""
    given, found = read_texts(files_of(block))
    mine = {(one.kind, one.name) for one in given}
    starter, _ = read_dir(STARTER)
    others = [one for one in starter if (one.kind, one.name) not in mine]
    return [*found, *check(DefinitionSet(1, "default", (*others, *given)))]


def first_column(paper: str, heading: str) -> list[str]:
    """The first column of the table under a heading, without its backticks."""
    section = (ROOT / paper).read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"(?m)^\| `([^`]+)`", section)


_RUNS = re.compile(r"[\d:.TZ-]*\d[\d:.TZ-]*|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")


def shape(lines: Iterable[str]) -> set[str]:
    """Lines without what differs from run to run: numbers, moments with their months, spaces at the ends."""
    return {_RUNS.sub("#", line.strip()) for line in lines if line.strip()}
