"""The one shape of the HTTP API: how an app is put together, and how it says that something is wrong."""

import math
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dangol.errors import Invalid, Unavailable, error_body
from dangol.keys import KeyRing


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
