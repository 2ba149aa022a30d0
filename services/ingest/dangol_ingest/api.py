"""The routes clients of the Segment API, RudderStack and CloudEvents post to, each with and without its last slash."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dangol.events import Kind
from dangol_ingest import answers, cloudevents, segment
from dangol_ingest.browser import Pages
from dangol_ingest.intake import Intake, respond
from dangol_ingest.model import Posted

BATCHES = ("/v1/batch", "/v1/b", "/v1/import")
SINGLES = {
    Kind.TRACK: ("/v1/track", "/v1/t"),
    Kind.IDENTIFY: ("/v1/identify", "/v1/i"),
    Kind.PAGE: ("/v1/page", "/v1/p"),
    Kind.GROUP: ("/v1/group", "/v1/g"),
    Kind.ALIAS: ("/v1/alias", "/v1/a"),
    Kind.SCREEN: ("/v1/screen", "/v1/s"),
}
Handler = Callable[[Request], Awaitable[Response]]


def make_router(intake: Intake, pages: Pages) -> APIRouter:
    """All of them. They are plain Starlette routes: parsing the body is ours, and so is the answer to a preflight."""
    router = APIRouter()
    for path in BATCHES:
        _post(router, path, partial(intake.take, opener=_batch))
    for kind, paths in SINGLES.items():
        for path in paths:
            _post(router, path, partial(intake.take, opener=_single(kind), single=True))
    _post(router, "/beacon/v1/batch", partial(intake.take, opener=_batch, beacon=True))
    _post(router, "/v1/events", partial(intake.take, opener=cloudevents.opened))
    _get(router, "/v1/projects/{key}/settings", pages.settings)
    _get(router, "/sourceConfig", pages.source_config)
    _get(router, "/analytics.js/v1/{key}/analytics.min.js", pages.script)
    return router


def _batch(_headers: Mapping[str, str], body: bytes) -> Posted:
    return segment.many(body)


def _single(kind: Kind) -> Callable[[Mapping[str, str], bytes], Posted]:
    def opened(_headers: Mapping[str, str], body: bytes) -> Posted:
        return segment.one(body, kind)

    return opened


def _post(router: APIRouter, path: str, handler: Handler) -> None:
    _route(router, path, handler, "POST")


def _get(router: APIRouter, path: str, handler: Handler) -> None:
    _route(router, path, handler, "GET")


def _route(router: APIRouter, path: str, handler: Handler, method: str) -> None:
    async def preflight(request: Request) -> Response:
        return respond(request, answers.preflight(request.headers, f"{method}, OPTIONS"))

    async def answered(request: Request) -> Response:
        return await handler(request)

    for spelled in (path, f"{path}/"):
        router.add_route(spelled, answered, methods=[method], include_in_schema=False)
        router.add_route(spelled, preflight, methods=["OPTIONS"], include_in_schema=False)
