"""`dangol apply`: a folder of definitions checked whole and published, all problems told at once."""

from pathlib import Path
from typing import Any

import msgspec

from dangol.commands import show
from dangol.commands.client import answer, product
from dangol.documents import Document, read_dir, to_json
from dangol.errors import Invalid


def apply(directory: Path, *, dry_run: bool) -> None:
    """Publish a folder through `POST /api/definitions`; raises `Invalid` when it has errors."""
    documents, found = read_dir(directory)
    if show.problems((msgspec.to_builtins(problem) for problem in found), directory):
        raise Invalid("not_applied", "nothing was published", hint="mend the errors above and apply again")
    with product() as client:
        said = answer(client.post("/api/definitions", json=body(documents, dry_run=dry_run)))
    if show.problems(said.get("problems", []), directory):
        raise Invalid("not_applied", "nothing was published", hint="mend the errors above and apply again")
    show.out.print(told(said, dry_run=dry_run))


def body(documents: list[Document], *, dry_run: bool) -> dict[str, Any]:
    """The request that publishes these documents."""
    return {"documents": [to_json(document) for document in documents], "dry_run": dry_run}


def told(said: dict[str, Any], *, dry_run: bool) -> str:
    """What was published, in a line."""
    changed = [str(name) for name in said.get("changed", [])]
    what = ", ".join(changed) if changed else "nothing changed"
    return f"{'would publish' if dry_run else 'in force'}: number {said['number']} ({what})"
