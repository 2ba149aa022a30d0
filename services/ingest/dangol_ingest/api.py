"""The routes that clients of Segment, RudderStack, Jitsu and CloudEvents post to, with and without a last slash."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dangol.errors import NotFound
from dangol.events import Kind
from dangol.front import Handler
from dangol_ingest import answers, cloudevents, segment
from dangol_ingest.browser import Pages
from dangol_ingest.intake import Intake, Opener, refused, respond
from dangol_ingest.model import Posted


@dataclass(frozen=True, slots=True)
class Way:
    """How the body of a route is opened, and whether it is a single call."""

    opener: Opener
    single: bool = False


def _batch(_headers: Mapping[str, str], body: bytes) -> Posted:
    return segment.many(body)


def _one(_headers: Mapping[str, str], body: bytes, kind: Kind) -> Posted:
    return segment.one(body, kind)


def _single(kind: Kind) -> Way:
    return Way(partial(_one, kind=kind), single=True)


SINGLES = {kind.value: _single(kind) for kind in Kind}
# What may follow `/v1/`: one table, because looking through twenty routes costs more than believing an event.
CALLS: Mapping[str, Way] = {
    "batch": Way(_batch),
    "b": Way(_batch),
    "import": Way(_batch),
    **SINGLES,
    **{name[0]: way for name, way in SINGLES.items()},  # t i p g a s
    "events": Way(cloudevents.opened),
}


def hot_calls(intake: Intake) -> dict[str, Handler]:
    """The posts of events by their whole path, to be answered ahead of the framework."""
    found: dict[str, Handler] = {}
    for start, ways in (("/v1/", CALLS), ("/api/s/", SINGLES)):
        for name, way in ways.items():
            handler = partial(intake.take, opener=way.opener, single=way.single)
            found |= {f"{start}{name}": handler, f"{start}{name}/": handler}
    return found


def make_router(intake: Intake, pages: Pages) -> APIRouter:
    """All of them. They are plain Starlette routes: parsing the body is ours, and so is the answer to a preflight."""
    router = APIRouter()
    _route(router, "/v1/{call}", "POST", _among(CALLS, intake))
    _route(router, "/api/s/{call}", "POST", _among(SINGLES, intake))
    _route(router, "/beacon/v1/batch", "POST", partial(intake.take, opener=_batch, beacon=True))
    _route(router, "/v1/projects/{key}/settings", "GET", pages.settings)
    _route(router, "/sourceConfig", "GET", pages.source_config)
    _route(router, "/analytics.js/v1/{key}/analytics.min.js", "GET", pages.script)
    return router


def _among(ways: Mapping[str, Way], intake: Intake) -> Handler:
    async def answered(request: Request) -> Response:
        way = ways.get(request.path_params["call"])
        if way is None:
            hint = "one of " + ", ".join(sorted(ways))
            return respond(
                request.headers, refused(NotFound("not_found", "no such call", where=request.url.path, hint=hint))
            )
        return await intake.take(request, way.opener, single=way.single)

    return answered


def _route(router: APIRouter, path: str, method: str, handler: Handler) -> None:
    async def answered(request: Request) -> Response:
        if request.method == "OPTIONS":
            return respond(request.headers, answers.preflight(request.headers, f"{method}, OPTIONS"))
        return await handler(request)

    for spelled in (path, f"{path}/"):
        router.add_route(spelled, answered, methods=[method, "OPTIONS"], include_in_schema=False)
