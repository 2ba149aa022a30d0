"""The page at /inbox: every message the inbox was handed, as its channel would show it."""

import hashlib
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from dangol.db import Db
from dangol.definitions import load
from dangol.errors import NotFound
from dangol.local import local_or_secret
from dangol.settings import Settings
from dangol_dispatcher.inbox_letters import Asked, html_of, letter, letters, newest, people
from dangol_dispatcher.label import Brand
from dangol_dispatcher.links import MAIL, Sealer
from dangol_dispatcher.pages import asset

SCOPE = "messages:read"
FILES = {
    "channels.css": "text/css",
    "channels.js": "text/javascript",
    "inbox.css": "text/css",
    "inbox.js": "text/javascript",
    "words.js": "text/javascript",
}
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
PAGE = SAFE | {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
# A mail is shown as a stranger's page: no script, no form, no reach into ours; its links open elsewhere.
MAIL_PAGE = SAFE | {
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src http: https: data:;"
        " style-src 'unsafe-inline'; font-src data:; form-action 'none'; frame-ancestors 'self'"
    )
}


def router(db: Db, settings: Settings, sealer: Sealer) -> APIRouter:
    """`/inbox` with its files, open as they hold nothing; and its data, for this machine's own page or a secret key."""
    routes = APIRouter(prefix="/inbox", include_in_schema=False)
    _page(routes)
    _data(routes, db, settings, sealer)
    return routes


def _page(routes: APIRouter) -> None:
    @routes.get("")
    @routes.get("/")
    async def page() -> Response:
        return Response(asset("inbox.html"), media_type="text/html", headers=PAGE)

    @routes.get("/files/{name}")
    async def file(name: str) -> Response:
        if name not in FILES:
            raise NotFound("not_found", "no such file")
        return Response(asset(name), media_type=FILES[name], headers=SAFE)


def _data(routes: APIRouter, db: Db, settings: Settings, sealer: Sealer) -> None:
    workspace = Annotated[str, Depends(local_or_secret(settings, SCOPE))]

    @routes.get("/messages.json")
    async def listed(
        request: Request,
        workspace: workspace,
        q: Annotated[str, Query(max_length=200)] = "",
        channel: str = "",
        profile: str = "",
        before: int | None = None,
    ) -> Response:
        """The newest letters; 304 to a page that has them already, after one look at the index."""
        asked = Asked(workspace, q, channel, profile, before)
        async with db.transaction() as conn:
            last = await newest(conn, workspace)
            tag = _tag(asked, last)
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers={"ETag": tag})
            found = await letters(conn, asked)
            known = await people(conn, workspace)
        return _json({"messages": found, "people": known, "newest": last}, {"ETag": tag})

    @routes.get("/messages/{number}.json")
    async def one(workspace: workspace, number: int) -> Response:
        async with db.transaction() as conn:
            found = await letter(conn, workspace, number)
            definitions = (await load(conn, workspace)).get(workspace)
        if found is None:
            raise NotFound("not_found", "no such message in the inbox")
        body = next((document.body for document in definitions.of("workspace")), {}) if definitions else {}
        found["sender"] = Brand.of(workspace, body).name
        if found["channel"] == "email" and found["parts"].get("html"):
            found["html_url"] = f"mail/{sealer.token(MAIL, found['delivery'])}"
        return _json(found)

    @routes.get("/mail/{token}")
    async def mail(token: str) -> Response:
        """A mail's HTML for a sandboxed frame; the token was given with the message, so a frame needs no key."""
        (delivery,) = sealer.fields(MAIL, token)
        async with db.transaction() as conn:
            html = await html_of(conn, delivery)
        return HTMLResponse(f'<!doctype html><base target="_blank">{html}', headers=MAIL_PAGE)


def _tag(asked: Asked, last: int) -> str:
    named = f"{asked.workspace}\x1f{asked.text}\x1f{asked.channel}\x1f{asked.profile}\x1f{asked.before}\x1f{last}"
    return f'"{hashlib.sha256(named.encode()).hexdigest()[:20]}"'


def _json(value: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=SAFE | (headers or {}))
