"""The pages behind links in messages: opt out, count an open, follow a click. No cookie, no script, nobody named."""

from base64 import b64decode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dangol.db import Db
from dangol.errors import Invalid, NotFound
from dangol.outbox import Outbox
from dangol_dispatcher.links import CLICK, OPEN, UNSUBSCRIBE, Sealer
from dangol_dispatcher.machines import machine, through_proxy
from dangol_dispatcher.opting_out import opt_out, roads_left
from dangol_dispatcher.page_words import WORDS, language
from dangol_dispatcher.published import Published
from dangol_dispatcher.tracking import delivery_of, tell_click, tell_open

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
LONGEST_FORM = 1024  # bytes


def router(db: Db, outbox: Outbox, sealer: Sealer, published: Published) -> APIRouter:
    """`/u/…` to opt out, `/o/…` and `/c/…` to count, for links this installation sealed."""
    routes = APIRouter(include_in_schema=False)
    _opting_out(routes, db, outbox, sealer, published)
    _counting(routes, db, outbox, sealer)
    return routes


def _opting_out(routes: APIRouter, db: Db, outbox: Outbox, sealer: Sealer, published: Published) -> None:
    def brand_of(workspace: str) -> str:
        return published.of(workspace).templates.brand.name

    @routes.get("/u/style.css")
    async def style() -> Response:
        return Response(asset("page.css"), media_type="text/css", headers=HEADERS | {"Cache-Control": "max-age=86400"})

    @routes.api_route("/u/{token}", methods=["GET", "HEAD"])
    async def ask(request: Request, token: str) -> Response:
        """Shows what may be done, and does nothing: mail scanners follow links."""
        try:
            workspace, _, _, channel = _unsubscribe_fields(sealer, token)
        except Invalid:
            return _page(request, "bad")
        return _page(request, "ask", channel, brand_of(workspace))

    @routes.post("/u/{token}")
    async def refuse(request: Request, token: str) -> Response:
        """One click in a mail program (RFC 8058), or the page's button: in force when answered."""
        everywhere = b"scope=all" in (await _form(request)).split(b"&")
        try:
            workspace, profile, message, channel = _unsubscribe_fields(sealer, token)
        except Invalid:
            return _page(request, "bad")
        closed = ("all",) if everywhere else (channel,)
        async with db.transaction() as conn:
            await opt_out(db, conn, outbox, workspace, profile, message, closed)
            left = await roads_left(conn, profile)
        return _page(request, "done_all" if everywhere else "done", channel, brand_of(workspace), left)


def _counting(routes: APIRouter, db: Db, outbox: Outbox, sealer: Sealer) -> None:
    @routes.api_route("/o/{token}", methods=["GET", "HEAD"])
    async def opened(request: Request, token: str) -> Response:
        """The picture, whatever is known of the link: a broken image would tell more."""
        try:
            workspace, delivery = sealer.fields(OPEN, token)
        except (Invalid, ValueError):
            return _pixel()
        async with db.transaction() as conn:
            found = await delivery_of(conn, workspace, delivery, await db.now(conn))
            if found:
                by = machine(request.method, request.headers)
                await tell_open(db, conn, outbox, found, by, proxy=by is None and through_proxy(request.headers))
        return _pixel()

    @routes.api_route("/c/{token}", methods=["GET", "HEAD"])
    async def clicked(request: Request, token: str) -> Response:
        """On to the URL that was in the mail, and to no other."""
        try:
            workspace, delivery, number = sealer.fields(CLICK, token)
            async with db.transaction() as conn:
                found = await delivery_of(conn, workspace, delivery, await db.now(conn))
                if found is None or int(number) >= len(found.links):
                    raise NotFound("gone", "this link is no longer kept")
                by = machine(request.method, request.headers, found.since)
                await tell_click(db, conn, outbox, found, by, int(number))
        except (Invalid, ValueError):
            return _page(request, "bad")
        return RedirectResponse(found.links[int(number)], 302, HEADERS)


def asset(name: str) -> bytes:
    """A file of this package's `assets`."""
    return (files("dangol_dispatcher") / "assets" / name).read_bytes()


def _unsubscribe_fields(sealer: Sealer, token: str) -> list[str]:
    fields = sealer.fields(UNSUBSCRIBE, token)
    if len(fields) != 4:
        raise Invalid("bad_link", "this link is not one of ours, or not whole")
    return fields


def _page(request: Request, state: str, channel: str = "", brand: str = "", left: Sequence[str] = ()) -> HTMLResponse:
    """The page in the browser's language: a question, an answer, or always the same 400 for a link not ours.

    `left`: the roads that stay open to adverts.
    """
    words = WORDS[language(request.headers.get("accept-language", ""))]
    road = words["roads"].get(channel, words["roads"]["other"])
    said = {key: text.format(road=road) for key, text in words[state].items()}
    form = (
        _FORM.format(refuse=escape(words["button"].format(road=road)), all=escape(words["button_all"]))
        if state == "ask"
        else ""
    )
    roads = ", ".join(dict.fromkeys(words["roads"].get(name, words["roads"]["other"]) for name in left))
    remains = [words["left"].format(roads=roads)] if left else []
    remains += [words["undo"]] if state != "bad" else []
    quiet = "".join(f'<p class="quiet">{escape(one)}</p>' for one in remains)
    html = _PAGE.format(
        lang=escape(words["lang"]),
        title=escape(said["title"]),
        text=escape(said["text"]),
        brand=f'<p class="brand">{escape(brand)}</p>' if brand else "",
        rest=form + quiet,
        mark=_MARKS[state],
    )
    return HTMLResponse(html, 400 if state == "bad" else 200, HEADERS)


async def _form(request: Request) -> bytes:
    """The first kilobyte of a posted form; more is not read."""
    kept = b""
    async for chunk in request.stream():
        kept += chunk
        if len(kept) > LONGEST_FORM:
            break
    return kept[:LONGEST_FORM]


def _pixel() -> Response:
    return Response(PIXEL, media_type="image/gif", headers=HEADERS)


_MARKS = {"ask": "ask", "done": "done", "done_all": "done", "bad": "bad"}
_FORM = """<form method="post">
<button name="scope" value="channel">{refuse}</button>
<button name="scope" value="all" class="second">{all}</button>
</form>"""
_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="stylesheet" href="../u/style.css">
</head>
<body>
<main class="{mark}">
{brand}
<h1>{title}</h1>
<p>{text}</p>
{rest}
</main>
</body>
</html>
"""
