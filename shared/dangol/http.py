"""The one shape of the HTTP API: how an app is put together, and how it says that something is wrong."""

import math
import re
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dangol.errors import Invalid, Unavailable, error_body
from dangol.keys import KeyRing

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_JSON = re.compile(
    rb"\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)


def make_app(keys: KeyRing, routers: Iterable[APIRouter], **options: Any) -> FastAPI:
    """An app of these routers whose `auth` dependencies ask `keys` and whose errors have one shape."""
    app = FastAPI(title="dangol", **options)
    app.state.keys = keys
    add_error_handlers(app)
    for router in routers:
        app.include_router(router)
    return app


def add_error_handlers(app: FastAPI) -> None:
    """`{"code", "message", "where"?, "hint"?}`, with `Retry-After` where asking again helps."""
    app.add_exception_handler(Invalid, _invalid)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _plain)


async def storable(request: Request) -> None:
    """A dependency that refuses text no database can store: NUL, halves of a character. Raises `Invalid`."""
    asked = [request.url.path, *(part for pair in request.query_params.multi_items() for part in pair)]
    if any(_UNSTORABLE.search(text) for text in asked):
        raise Invalid("bad_text", "a NUL, or half a character, in the URL")
    body = await request.body()
    if b"\x00" in body or _UNSTORABLE_JSON.search(body):
        raise Invalid("bad_text", "a NUL, or half a character, in the body")


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Invalid)
    return JSONResponse(error.body(), error.status, _retry_after(error))


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Unavailable)
    return JSONResponse(error_body("unavailable", error.message), error.status, _retry_after(error))


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse(error_body("invalid", first["msg"], where), 422)


async def _plain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return JSONResponse(error_body(code, str(error.detail)), error.status_code, error.headers)


def _retry_after(error: Exception) -> dict[str, str] | None:
    after = getattr(error, "retry_after", None)
    return {"Retry-After": str(max(1, math.ceil(after.total_seconds())))} if after else None
