"""A folder of definitions into the database: read, checked whole, published; the same for `up` and the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dangol.db import Db
from dangol.definitions import check, load, publish
from dangol.documents import DefinitionSet, Document, Problem
from dangol.problems import errors, in_order

DEFAULT = "default"
NAMES_A_DOCUMENT = frozenset({"unknown_template", "unknown_coupon", "unknown_gateway", "unknown_journey"})
SUFFIXES = frozenset({".yaml", ".yml", ".mjml", ".html", ".txt", ".csv", ".liquid"})


@dataclass(frozen=True)
class Published:
    """What became of a publish: the number in force, what changed, and all that is wrong (errors: nothing changed)."""

    number: int
    changed: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> bool:
        """Whether there were errors, so that nothing was published."""
        return bool(errors(self.problems))


def workspace_of(documents: Sequence[Document]) -> str:
    """The workspace a folder is for: named in workspace.yaml, else `default`."""
    return next((document.name for document in documents if document.kind == "workspace"), DEFAULT)


async def publish_checked(
    db: Db,
    workspace: str,
    documents: Sequence[Document],
    *,
    by: str,
    found: Sequence[Problem] = (),
    base: int | None = None,
    dry_run: bool = False,
) -> Published:
    """Check the whole set and publish it unless there are errors (in `found` too); in force when this returns."""
    async with db.transaction() as conn:
        before = (await load(conn, workspace)).get(workspace, DefinitionSet(0, workspace, ()))
    wanted = DefinitionSet(before.number, workspace, tuple(documents))
    problems = tuple(all_problems(wanted, found))
    changed = tuple(changes(before, wanted))
    if errors(problems) or dry_run:
        return Published(before.number, () if errors(problems) else changed, problems)
    number = await publish(db, workspace, documents, by=by, base=base)
    return Published(number, changed, problems)


def all_problems(definitions: DefinitionSet, found: Sequence[Problem]) -> list[Problem]:
    """What reading found and checking finds, in order; what an unreadable file would have named is let be."""
    checked = check(definitions)
    if errors(found):
        checked = [problem for problem in checked if problem.code not in NAMES_A_DOCUMENT]
    return in_order([*found, *checked])


def changes(before: DefinitionSet, after: DefinitionSet) -> list[str]:
    """What differs between two sets, a word each: `+ journey welcome`, `~ template welcome`, `- coupon old`."""
    old = {(document.kind, document.name): document.body for document in before.documents}
    new = {(document.kind, document.name): document.body for document in after.documents}
    signs = [
        ("+" if key not in old else "-" if key not in new else "~", key)
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    return [f"{sign} {kind} {name}" for sign, (kind, name) in signs]


def is_definition(path: Path) -> bool:
    """Whether a changed file can change what is published."""
    return path.suffix in SUFFIXES and not path.name.startswith(".")
