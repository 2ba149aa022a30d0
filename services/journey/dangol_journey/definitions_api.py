"""`/api/definitions` and `/api/journeys`: what is published, and how many walk it."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from dangol import definitions as numbered
from dangol.auth import secret
from dangol.db import Db
from dangol.documents import DefinitionSet, Document, from_json, to_json
from dangol.errors import NotFound
from dangol.keys import Key
from dangol.problems import errors
from dangol.publishing import Published, publish_checked
from dangol_journey import looking

Reader = Annotated[Key, Depends(secret("definitions:read"))]
Publisher = Annotated[Key, Depends(secret("definitions:write"))]


class GivenDocument(BaseModel):
    """One document as the API takes it."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    name: str
    body: dict[str, Any]
    file: str = ""
    text: str = ""
    line: int = 1
    version: int = 0  # as it is shown; what is published gets its own
    files: dict[str, str] = {}


class Publishing(BaseModel):
    """The whole set of a workspace. `base` is the number it was made from: another in force by now is a stale base."""

    model_config = ConfigDict(extra="forbid")
    documents: list[GivenDocument]
    base: int | None = None
    dry_run: bool = False


def definitions_router(db: Db) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["definitions"])
    _add_definitions(router, db)
    _add_journeys(router, db)
    return router


def _add_definitions(router: APIRouter, db: Db) -> None:
    @router.post("/api/definitions")
    async def publish(wanted: Publishing, holder: Publisher) -> JSONResponse:
        """Check the whole set and publish it; 422 with all problems where there is an error."""
        documents = [from_json(one.model_dump()) for one in wanted.documents]
        by = f"key {holder.shown or holder.id}"
        became = await publish_checked(db, holder.workspace, documents, by=by, base=wanted.base, dry_run=wanted.dry_run)
        return _answer(became, dry_run=wanted.dry_run)

    @router.get("/api/definitions")
    async def definitions(holder: Reader, at: int | None = None) -> dict[str, Any]:
        """The set in force, or as it was at an older number."""
        found = await _in_force(db, holder.workspace, at)
        return {"number": found.number, "documents": [_shown(document) for document in found.documents]}


def _add_journeys(router: APIRouter, db: Db) -> None:
    @router.get("/api/journeys")
    async def journeys(holder: Reader) -> dict[str, Any]:
        """Every journey with its counts; those no longer published as well, while somebody is inside."""
        found = await _in_force(db, holder.workspace)
        async with db.transaction() as conn:
            counts = await looking.counts(conn, holder.workspace)
        listed = [_journey(document, counts) for document in found.of("journey")]
        gone = sorted(name for name in counts if found.one("journey", name) is None)
        return {"journeys": listed + [{"journey": name, "published": False, **counts[name]} for name in gone]}

    @router.get("/api/journeys/{name}")
    async def journey(name: str, holder: Reader) -> dict[str, Any]:
        """One journey: its document and its counts."""
        document = (await _in_force(db, holder.workspace)).one("journey", name)
        if document is None:
            raise NotFound("unknown_journey", f"no journey {name} is published")
        async with db.transaction() as conn:
            counts = await looking.counts(conn, holder.workspace)
        return _journey(document, counts) | {"document": _shown(document)}


async def _in_force(db: Db, workspace: str, at: int | None = None) -> DefinitionSet:
    async with db.transaction() as conn:
        number = await numbered.number(conn) if at is None else at
        found = await numbered.load(conn, workspace, at)
    return found.get(workspace) or DefinitionSet(number, workspace, ())


def _answer(became: Published, *, dry_run: bool) -> JSONResponse:
    problems = [msgspec.to_builtins(problem) for problem in became.problems]
    said: dict[str, Any] = {"number": became.number, "problems": problems, "changed": list(became.changed)}
    if not became.refused:
        return JSONResponse({**said, "published": not dry_run})
    count = len(errors(became.problems))
    refusal = {"code": "invalid_definitions", "message": f"nothing was published: {count} errors, see problems"}
    return JSONResponse({**refusal, **said, "published": False}, 422)


def _shown(document: Document) -> dict[str, Any]:
    return to_json(document) | {"file": document.file, "version": document.version}


def _journey(document: Document, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    about = {"about": document.body.get("about", ""), "priority": document.body.get("priority", 50)}
    held = counts.get(document.name) or looking.no_counts()
    return {"journey": document.name, "version": document.version, "published": True, **about, **held}
