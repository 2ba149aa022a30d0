"""The numbered set of everything published: the one table every service reads, and who may change it when."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Update, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol.db import Db, in_transaction
from dangol.documents import DefinitionSet, Document, Problem
from dangol.driver import fetch
from dangol.errors import Invalid
from dangol.tables import Definition, Publication

__all__ = ["CHECKERS", "DefinitionSet", "Document", "Problem", "check", "load", "number", "publish"]

CHECKERS = ("dangol_journey.check:check", "dangol_dispatcher.check:check")
LOCK = 0x64616E676F6C  # "dangol": the advisory lock of the set
_NEWEST = "SELECT coalesce(max(number), 0) FROM publication"


async def number(conn: AsyncConnection) -> int:
    """The number in force, held in force until this transaction ends: the first statement of each batch and claim."""
    if conn.dialect.name == "postgresql":
        await conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({LOCK})")
    return await _newest(conn)


async def load(conn: AsyncConnection, workspace: str | None = None, at: int | None = None) -> dict[str, DefinitionSet]:
    """The sets by workspace (one, or all that ever published), as they are or as they were `at` an older number."""
    numbered = await _newest(conn) if at is None else at
    asked = select(col(Publication.workspace)).where(col(Publication.number) <= numbered).distinct()
    rows = (
        select(Definition.__table__)  # type: ignore[attr-defined]
        .where(col(Definition.version) <= numbered)
        .where(or_(col(Definition.until).is_(None), col(Definition.until) > numbered))
        .order_by(col(Definition.workspace), col(Definition.kind), col(Definition.name))
    )
    if workspace is not None:
        asked = asked.where(col(Publication.workspace) == workspace)
        rows = rows.where(col(Definition.workspace) == workspace)
    found: dict[str, list[Document]] = {name: [] for name in (await conn.execute(asked)).scalars()}
    for row in (await conn.execute(rows)).mappings():
        found.setdefault(row["workspace"], []).append(_document(row))
    return {name: DefinitionSet(numbered, name, tuple(documents)) for name, documents in found.items()}


async def publish(
    db: Db,
    workspace: str,
    documents: Sequence[Document],
    *,
    by: str,
    base: int | None = None,
    expect: Mapping[tuple[str, str], int] | None = None,
) -> int:
    """Make `documents` the workspace's whole set; in force everywhere when this returns. Gives the number.

    The same set again keeps the number. Raises `Invalid` (`stale_base`) when the number in force is no longer `base`,
    or a document that `expect` names, by (kind, name), is no longer of that version (0: not there). Nothing is
    checked here: see `check`.
    """

    async def work(conn: AsyncConnection) -> int:
        if db.dialect == "postgresql":
            await conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        in_force = (await load(conn, workspace)).get(workspace, DefinitionSet(await _newest(conn), workspace, ()))
        _refuse_stale(in_force, base, expect or {})
        return await _replace(db, conn, in_force, _by_name(documents), by)

    return await in_transaction(db, work)


def check(definitions: DefinitionSet) -> list[Problem]:
    """What every service's checker finds in the set. A service that is not installed has nothing to say."""
    problems: list[Problem] = []
    for checker in CHECKERS:
        if found := _checker(checker):
            problems.extend(found(definitions))
    return problems


def _checker(name: str) -> Callable[[DefinitionSet], list[Problem]] | None:
    module, function = name.split(":")
    try:
        found: Callable[[DefinitionSet], list[Problem]] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            return None
        raise
    return found


async def _newest(conn: AsyncConnection) -> int:
    return int((await fetch(conn, _NEWEST))[0][0])


def _refuse_stale(in_force: DefinitionSet, base: int | None, expect: Mapping[tuple[str, str], int]) -> None:
    if base is not None and base != in_force.number:
        raise Invalid(
            "stale_base",
            f"number {in_force.number} is in force, this was made from {base}",
            where="base",
            hint="look at what changed since (`dangol plan`), then apply again",
        )
    for (kind, name), version in expect.items():
        document = in_force.one(kind, name)
        if (document.version if document else 0) != version:
            raise Invalid("stale_base", f"{kind} {name} was changed since version {version}", where=f"{kind} {name}")


async def _replace(
    db: Db, conn: AsyncConnection, in_force: DefinitionSet, wanted: dict[tuple[str, str], Document], by: str
) -> int:
    """Close what changed or went, open what changed or came, all at the next number."""
    live = {(document.kind, document.name): document for document in in_force.documents}
    for key, document in wanted.items():
        if (
            key in live
            and document.body == live[key].body
            and replace(document, version=live[key].version) != live[key]
        ):
            await _rewrite(conn, in_force.workspace, document)
    over = [key for key, document in live.items() if key not in wanted or wanted[key].body != document.body]
    new = [document for key, document in wanted.items() if key not in live or live[key].body != document.body]
    if not over and not new:
        return in_force.number
    at = in_force.number + 1
    publication = {"number": at, "workspace": in_force.workspace, "at": await db.now(conn), "by": by}
    await conn.execute(insert(Publication), publication)
    for kind, name in over:
        await conn.execute(_live(in_force.workspace, kind, name).values(until=at))
    if new:
        await conn.execute(insert(Definition), [_row(in_force.workspace, replace(one, version=at)) for one in new])
    return at


async def _rewrite(conn: AsyncConnection, workspace: str, document: Document) -> None:
    """The same body, written otherwise: no new version of it."""
    row = _row(workspace, document)
    source = {column: row[column] for column in ("file", "text", "line", "files")}
    await conn.execute(_live(workspace, document.kind, document.name).values(source))


def _live(workspace: str, kind: str, name: str) -> Update:
    return update(Definition).where(
        col(Definition.workspace) == workspace,
        col(Definition.kind) == kind,
        col(Definition.name) == name,
        col(Definition.until).is_(None),
    )


def _by_name(documents: Sequence[Document]) -> dict[tuple[str, str], Document]:
    named: dict[tuple[str, str], Document] = {}
    for document in documents:
        key = (document.kind, document.name)
        if key in named:
            raise Invalid("twice", f"two documents are {document.kind} {document.name}", where=document.file)
        named[key] = document
    return named


def _row(workspace: str, document: Document) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "kind": document.kind,
        "name": document.name,
        "version": document.version,
        "until": None,
        "file": document.file,
        "body": msgspec.json.encode(document.body).decode(),
        "text": document.text,
        "line": document.line,
        "files": msgspec.json.encode(dict(document.files)).decode(),
    }


def _document(row: Mapping[Any, Any]) -> Document:
    return Document(
        kind=row["kind"],
        name=row["name"],
        body=msgspec.json.decode(row["body"], type=dict[str, Any]),
        file=row["file"],
        version=row["version"],
        text=row["text"],
        line=row["line"],
        files=msgspec.json.decode(row["files"], type=dict[str, str]),
    )
