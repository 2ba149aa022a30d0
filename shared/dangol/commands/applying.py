"""`dangol apply`: a folder of definitions checked whole and published, all problems told at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dangol.commands import show
from dangol.commands.client import answer, product
from dangol.documents import Document, Problem, read_dir, to_json
from dangol.errors import Invalid
from dangol.problems import errors
from dangol.publishing import NAMES_A_DOCUMENT

REFUSED = 422


def apply(directory: Path, *, dry_run: bool) -> None:
    """Publish a folder through `POST /api/definitions`; raises `Invalid` when it has errors."""
    documents, found = read_dir(directory)
    with product() as client:
        unread = bool(errors(found))
        response = client.post("/api/definitions", json=body(documents, dry_run=dry_run or unread))
    said = response.json() if response.status_code == REFUSED else answer(response)
    if "problems" not in said:
        answer(response)
    if show.problems(_all(found, said["problems"]), directory):
        raise Invalid("not_applied", "nothing was published", hint="mend the errors above and apply again")
    show.out.print(told(said, dry_run=dry_run))


def _all(found: Sequence[Problem], checked: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    unread = bool(errors(found))
    kept = [problem for problem in checked if not (unread and problem["code"] in NAMES_A_DOCUMENT)]
    listed: list[Mapping[str, Any]] = [*(msgspec.to_builtins(problem) for problem in found), *kept]
    return sorted(listed, key=lambda problem: (problem["file"], problem["line"], problem["column"]))


def body(documents: list[Document], *, dry_run: bool) -> dict[str, Any]:
    """The request that publishes these documents."""
    return {"documents": [to_json(document) for document in documents], "dry_run": dry_run}


def told(said: dict[str, Any], *, dry_run: bool) -> str:
    """What was published, in a line."""
    changed = [str(name) for name in said.get("changed", [])]
    what = ", ".join(changed) if changed else "nothing changed"
    return f"{'would publish' if dry_run else 'in force'}: number {said['number']} ({what})"
