"""`GET /api/why`, `/api/decisions`, `/api/events`, `/api/rejects` and `/api/tail`, of the key's workspace."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from dangol import definitions
from dangol.auth import secret
from dangol.db import Db
from dangol.decisions import Decision, Verdict
from dangol.errors import Invalid
from dangol.events import Event
from dangol.keys import Key
from dangol.local import local_or_secret
from dangol.settings import Settings
from dangol_insights import archive, sentences
from dangol_insights.model import Kept, Person, Wanted
from dangol_insights.tail import Bell, Tail
from dangol_insights.why import Asked, answer, zone_of

SCOPE = "insights:read"
Reader = Annotated[Key, Depends(secret(SCOPE))]
Eraser = Annotated[Key, Depends(secret("profiles:write"))]
Text = Annotated[str | None, Query(max_length=256)]
MOST_DECISIONS = 1000
NEWEST_EVENTS = 100


def make_router(db: Db, archived: Db, bell: Bell, settings: Settings) -> APIRouter:
    """The routes of insights; `archived` is the archive's database, `db` has what is published."""
    router = APIRouter(prefix="/api", tags=["insights"])
    _add_why(router, db, archived, settings)
    _add_lists(router, archived)

    @router.delete("/archive", summary="Forget what is kept of a person")
    async def forget(key: Eraser, user_id: Text = None, anonymous_id: Text = None) -> Response:
        """`{events, decisions}`: how many rows were deleted."""
        async with archived.transaction() as conn:
            person = await archive.person_of(conn, key.workspace, _person(user_id, anonymous_id))
            forgotten = await archive.forget(conn, key.workspace, person)
        return _json(forgotten)

    @router.get("/tail", summary="Each event and what it decided, live")
    async def tail(request: Request, key: Reader, lang: Text = None) -> Response:
        """Server-sent events, one a line: `{at, who, text, verdict}`."""
        lines = Tail(archived, bell, key.workspace, _language(request, lang)).stream()
        return StreamingResponse(lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router


def _add_why(router: APIRouter, db: Db, archived: Db, settings: Settings) -> None:
    # The inbox page of this machine asks too.
    workspace_of = Annotated[str, Depends(local_or_secret(settings, SCOPE))]

    @router.get("/why", summary="Why a person got what they got, and not what they did not")
    async def why(
        request: Request,
        workspace: workspace_of,
        user_id: Text = None,
        anonymous_id: Text = None,
        journey: Text = None,
        lang: Text = None,
    ) -> Response:
        """`{timeline: [{at, local_at, verdict, reason, text, …}], summary, zone, …}`, in the order of time."""
        person = _person(user_id, anonymous_id)
        asked = await _on_record(db, archived, workspace, person, journey)
        language, zone = _language(request, lang), zone_of(asked.events, asked.definitions)
        lines, summary = answer(asked, sentences.language(language), zone)
        said = {"user_id": user_id, "anonymous_id": anonymous_id, "profiles": asked.person.profiles}
        return _json(said | {"journey": journey, "zone": str(zone), "timeline": lines, "summary": summary})


def _add_lists(router: APIRouter, db: Db) -> None:
    @router.get("/decisions", summary="Decisions, newest first")
    async def decisions(key: Reader, wanted: Annotated[Wanted, Query()]) -> Response:
        """`{decisions: [...], next}`; `after=next` goes on in the order they were taken."""
        async with db.transaction() as conn:
            found = await archive.find_decisions(conn, key.workspace, wanted)
        return _json({"decisions": _payloads(found), "next": _next(found)})

    @router.get("/events", summary="Events, newest first")
    async def events(key: Reader, wanted: Annotated[Wanted, Query()]) -> Response:
        """`{events: [...], next}`; `after=next` goes on in the order they were taken."""
        async with db.transaction() as conn:
            found = await archive.find_events(conn, key.workspace, wanted)
        return _json({"events": _payloads(found), "next": _next(found)})

    @router.get("/rejects", summary="Items that were posted and not believed, newest first")
    async def rejects(key: Reader, wanted: Annotated[Wanted, Query()]) -> Response:
        """`{rejects: [{at, by, code, message, where, hint, item, id, user_id}], next}`."""
        async with db.transaction() as conn:
            rejected = wanted.model_copy(update={"verdict": Verdict.REJECTED.value})
            found = await archive.find_decisions(conn, key.workspace, rejected)
        return _json({"rejects": [_reject(one.payload) for one in found], "next": _next(found)})


async def _on_record(db: Db, archived: Db, workspace: str, person: Person, journey: str | None) -> Asked:
    """What the archive and the definitions have for the question."""
    newest = Wanted(user_id=person.user_id, anonymous_id=person.anonymous_id, limit=NEWEST_EVENTS)
    async with archived.transaction() as conn:
        person = await archive.person_of(conn, workspace, person)
        decided = await archive.timeline(conn, workspace, person, MOST_DECISIONS)
        events = await archive.find_events(conn, workspace, newest)
    async with db.transaction() as conn:
        published = await definitions.load(conn, workspace)
    return Asked(person, journey, [one.payload for one in events], decided, published.get(workspace))


def _person(user_id: str | None, anonymous_id: str | None) -> Person:
    if not user_id and not anonymous_id:
        raise Invalid("no_person", "say about whom", where="user_id", hint="/api/why?user_id=u1")
    return Person(user_id or None, anonymous_id or None)


def _language(request: Request, asked: str | None) -> str:
    return asked or request.headers.get("accept-language", "en")


def _payloads(found: list[Kept[Event]] | list[Kept[Decision]]) -> list[Event | Decision]:
    return [one.payload for one in found]


def _next(found: list[Kept[Event]] | list[Kept[Decision]]) -> int | None:
    return max((one.number for one in found), default=None)


def _reject(decision: Decision) -> dict[str, Any]:
    said = {
        "at": decision.at,
        "by": decision.by,
        "reason": decision.reason,
        "id": decision.input,
        "name": decision.input_name,
        "user_id": decision.user_id,
        "anonymous_id": decision.anonymous_id,
        **decision.details,
    }
    return {name: value for name, value in said.items() if value is not None}


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
