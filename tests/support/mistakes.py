"""Mistakes people make in files, as text: `=== what is wrong | file`, the file, then `>>> ` each line to be told."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet


@dataclass(frozen=True)
class Mistake:
    """One file with mistakes in it, and all that must be said of them, in order."""

    what: str
    file: str
    text: str
    told: tuple[str, ...]


def mistakes_in(file: Path) -> list[ParameterSet]:
    """The mistakes of a file, each a parameter of a test."""
    found = []
    for part in re.split(r"^=== ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        what, _, name = heading.partition(" | ")
        lines = body.splitlines()
        told = tuple(line.removeprefix(">>> ") for line in lines if line.startswith(">>> "))
        text = "\n".join(line for line in lines if not line.startswith(">>> ")) + "\n"
        found.append(pytest.param(Mistake(what, name, text, told), id=what))
    return found
