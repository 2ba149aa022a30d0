"""Browser libraries in a real browser, on a page of another origin: one line changed, nothing of theirs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.async_api import async_playwright
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from dangol.events import Event, Kind
from dangol.keys import KeyKind
from dangol.service import House
from dangol_ingest.main import open_service
from tests.support.browser import FLAGS
from tests.support.house import app_of, events_of, key_of, served

SNIPPET = """<script>
  const stub = (window.analytics = []);
  stub.invoked = true; stub.SNIPPET_VERSION = "5.2.0"; stub.methods = ["identify", "track", "page", "group"];
  for (const name of stub.methods) stub[name] = (...said) => (stub.push([name, ...said]), stub);
  stub._cdn = "{url}"; stub._writeKey = "{key}"; stub._loadOptions = {{}};
  stub.identify("u1", {{ email: "a@b.c" }});
  stub.track("Product Added", {{ cart_id: "c1", product_name: "원두" }});
  stub.page("Cart");
</script>
<script async src="{url}/analytics.js/v1/{key}/analytics.min.js"></script>"""
RUDDER = """<script src="/library.js"></script><script>
  const rudder = new rudderanalytics.RudderAnalytics();
  rudder.load("{key}", "{url}", {{ configUrl: "{url}", logLevel: "ERROR", storage: {{ type: "memoryStorage" }} }});
  rudder.identify("u1", {{ email: "a@b.c" }});
  rudder.track("Product Added", {{ cart_id: "c1" }});
</script>"""


@asynccontextmanager
async def shop(html: str, library: Path) -> AsyncIterator[str]:
    """A site of another origin with one page, and a library of its own."""
    app = FastAPI()

    async def page(_request: Request) -> Response:
        return HTMLResponse(f"<!doctype html><title>shop</title>{html}")

    async def script(_request: Request) -> Response:
        return FileResponse(library)

    app.add_route("/", page)
    app.add_route("/library.js", script)
    async with served(app) as url:
        yield url


async def visited(chromium: Path, url: str, house: House, enough: Callable[[list[Event]], bool]) -> list[Event]:
    """The events of the log once a visit to `url` brought enough of them."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            page = await browser.new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            await page.goto(url)
            async with asyncio.timeout(timedelta(seconds=30).total_seconds()):
                while not enough(events := await events_of(house.stream)):  # noqa: ASYNC110 - the log is asked
                    await asyncio.sleep(0.1)
            return events
        except TimeoutError:
            pytest.fail(f"the page said: {said}")
        finally:
            await browser.close()


def kinds(events: list[Event]) -> set[Kind]:
    return {event.kind for event in events}


async def test_segments_snippet_with_only_its_host_changed(house: House, chromium: Path, node_clients: Path) -> None:
    script = node_clients / "node_modules/@segment/analytics-next/dist/umd/standalone.js"
    key, _ = await key_of(house, KeyKind.BROWSER)
    configured = replace(house, settings=replace(house.settings, analytics_js=str(script)))
    wanted = {Kind.IDENTIFY, Kind.TRACK, Kind.PAGE}
    async with (
        open_service(configured) as ingest,
        served(app_of(house, ingest.router)) as url,
        shop(SNIPPET.format(url=url, key=key), script) as site,
    ):
        events = await visited(chromium, site, house, lambda found: kinds(found) >= wanted)
    track = next(event for event in events if event.kind is Kind.TRACK)
    assert (track.user_id, track.properties["product_name"]) == ("u1", "원두")
    assert track.anonymous_id
    assert next(event for event in events if event.kind is Kind.IDENTIFY).traits == {"email": "a@b.c"}


async def test_rudders_library(house: House, chromium: Path, node_clients: Path) -> None:
    bundled = node_clients / "node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd"
    library = next(file for file in sorted(bundled.iterdir()) if file.suffix in (".js", ".cjs"))
    key, _ = await key_of(house, KeyKind.BROWSER)
    async with (
        open_service(house) as ingest,
        served(app_of(house, ingest.router)) as url,
        shop(RUDDER.format(url=url, key=key), library) as site,
    ):
        events = await visited(chromium, site, house, lambda found: kinds(found) >= {Kind.IDENTIFY, Kind.TRACK})
    assert {event.user_id for event in events} == {"u1"}
    assert next(event for event in events if event.kind is Kind.IDENTIFY).traits["email"] == "a@b.c"
