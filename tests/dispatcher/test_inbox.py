"""The inbox page: it shows what was sent, to those who may see it, and runs nothing of what is in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Page, async_playwright, expect
from sqlalchemy import select

from dangol_dispatcher.gateway_inbox import InboxGateway
from dangol_dispatcher.model import Accepted, Content
from dangol_dispatcher.rows import KEPT
from tests.support.browser import FLAGS
from tests.support.claims import a_claim, a_mail
from tests.support.databases import sqlite_copy
from tests.support.hostile import CORPUS
from tests.support.mailing import SECRET, Posted, open_post

LETTERS = 11  # that `keep_all` posts


@asynccontextmanager
async def served(post: Posted) -> AsyncIterator[str]:
    """The pages on a real port."""
    server = uvicorn.Server(
        uvicorn.Config(post.app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=2)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by a flag
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/inbox"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def browsed(
    chromium: Path, url: str, *, width: int = 1280, locale: str = "ko-KR"
) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page on it, and all it complained of."""
    trouble: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS[1:]))
        page = await browser.new_page(viewport={"width": 1280, "height": 800}, locale="ko-KR")
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(dialog.message))
        await page.expose_function("pwned", lambda: trouble.append("a script ran"))
        await page.goto(url)
        yield page, trouble
        await browser.close()


async def keep(post: Posted, *contents: Content) -> None:
    gateway = InboxGateway("inbox", "", post.shop.db, post.shop.clock)
    claims = [a_claim(content, f"x{number}") for number, content in enumerate(contents)]
    assert all(isinstance(one, Accepted) for one in await gateway.send_many(claims))


async def test_a_key_is_kept_once(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        for _ in range(3):
            await keep(post, a_mail())
        assert len((await post.client.get("/inbox/messages.json")).json()["messages"]) == 1


async def test_letters_are_listed_found_and_read(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send("m1")
        await post.send("m2", "sms")
        listed = (await post.client.get("/inbox/messages.json")).json()
        assert [one["channel"] for one in listed["messages"]] == ["sms", "email"]
        assert listed["messages"][1] | {"person": "u1", "name": "민지", "journey": "welcome"} == listed["messages"][1]
        assert listed["people"] == [{"profile": "p1", "person": "u1", "name": "민지", "letters": 2}]
        for query, count in (
            ("q=민지", 2),
            ("q=hi", 1),
            ("q=%25", 0),
            ("channel=sms", 1),
            ("profile=p2", 0),
            ("q=u1", 2),
        ):
            assert len((await post.client.get(f"/inbox/messages.json?{query}")).json()["messages"]) == count, query
        mail = (await post.client.get(f"/inbox/messages/{listed['messages'][1]['id']}.json")).json()
        assert ["Subject", "hi"] in mail["headers"]
        assert mail["parts"]["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        shown = await post.client.get(f"/inbox/{mail['html_url']}")
        assert shown.headers["content-security-policy"].startswith("sandbox allow-popups")


async def test_a_page_that_waits_is_answered_with_304(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        await post.send()
        first = await post.client.get("/inbox/messages.json")
        again = {"if-none-match": first.headers["etag"]}
        assert (await post.client.get("/inbox/messages.json", headers=again)).status_code == 304
        await post.send("m2")
        assert (await post.client.get("/inbox/messages.json", headers=again)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8420"}, 200),
        ({"host": "localhost:8420"}, 200),
        ({"host": "[::1]:8420"}, 200),
        ({"host": "evil.example"}, 401),
        ({"host": "127.0.0.1.evil.example"}, 401),
        ({"host": "127.0.0.1", "sec-fetch-site": "cross-site"}, 401),
        ({"host": "evil.example", "authorization": f"Bearer {SECRET}"}, 200),
        ({"host": "127.0.0.1", "authorization": "Bearer wrong"}, 401),
    ],
)
async def test_only_this_machine_or_a_key_reads_it(migrated_url: str, headers: dict[str, str], status: int) -> None:
    async with open_post(migrated_url) as post:
        assert (await post.client.get("/inbox/messages.json", headers=headers)).status_code == status
        one = await post.client.get("/inbox/messages/1.json", headers=headers)
        assert one.status_code == (404 if status == 200 else 401)


async def test_bound_to_the_world_it_asks_for_a_key(migrated_url: str) -> None:
    async with open_post(migrated_url, "0.0.0.0") as post:
        assert (await post.client.get("/inbox/messages.json")).status_code == 401
        assert (await post.client.get("/inbox")).status_code == 200  # the page itself holds nothing


async def test_the_page_is_self_contained_and_guarded(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        page = await post.client.get("/inbox")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "<script>" not in page.text
        for name in ("inbox.js", "channels.js", "words.js", "inbox.css", "channels.css"):
            file = await post.client.get(f"/inbox/files/{name}")
            assert file.status_code == 200
            assert "innerHTML" not in file.text
        for outside in ("../inbox.py", "..%2finbox.py", "inbox.html%00", "x"):
            assert (await post.client.get(f"/inbox/files/{outside}")).status_code == 404


async def test_a_new_message_comes_by_itself(chromium: Path, migrated_sqlite: Path, tmp_path: Path) -> None:
    async with (
        open_post(sqlite_copy(migrated_sqlite, tmp_path)) as post,
        served(post) as url,
        browsed(chromium, url) as (page, trouble),
    ):
        await expect(page.get_by_text("아직 보낸 메시지가 없습니다")).to_be_visible()
        await expect(page.get_by_text("dangol track")).to_be_visible()
        await post.send()
        await page.get_by_role("button", name="민지").click()
        await expect(page.locator("iframe")).to_be_visible()
        await expect(page.frame_locator("iframe").get_by_text("민지")).to_be_visible()
        await page.get_by_role("tab", name="헤더").click()
        await expect(page.get_by_text("List-Unsubscribe-Post")).to_be_visible()
        await page.get_by_role("button", name="English").click()
        await expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        assert not trouble


async def test_nothing_hostile_runs(chromium: Path, migrated_sqlite: Path, tmp_path: Path) -> None:
    assert len(CORPUS) >= 100
    async with open_post(sqlite_copy(migrated_sqlite, tmp_path)) as post, served(post) as url:
        for start in range(0, len(CORPUS), 30):
            some = CORPUS[start : start + 30]
            everything = "\n".join(some)
            await keep_all(post, everything, some)
            async with browsed(chromium, url) as (page, trouble):
                rows = page.locator(".row")
                await expect(rows.first).to_be_visible()
                for number in range(LETTERS):
                    await rows.nth(number).click()
                    await expect(rows.nth(number)).to_have_attribute("aria-current", "true")
                    for tab in await page.get_by_role("tab").all():
                        await tab.click()
                await page.wait_for_load_state("networkidle")
                assert not trouble, trouble
                assert page.url.split("#")[0] == url


async def keep_all(post: Posted, everything: str, some: tuple[str, ...]) -> None:
    """The texts in every place of every channel; in a mail's HTML as the mail itself."""
    buttons = [{"name": text, "link": text} for text in some]
    mail = a_mail(text=everything, html=f"<p>{everything}</p>")
    parts: dict[str, object] = {
        "subject": some[0],
        "html": f"<p>{everything}</p>",
        "text": everything,
        "from": f"{some[1]} <a@b.example>",
    }
    parts |= {"to": some[2], "headers": {"List-Unsubscribe": some[3]}}
    said = {
        "text": everything,
        "title": some[0],
        "body": everything,
        "link": some[1],
        "image": some[2],
        "buttons": buttons,
    }
    channels = ("sms", "lms", "push", "web_push", "alimtalk", "brand_message", "in_app", "slack", "teams", "webhook")
    mark = str(hash(everything))
    await keep(
        post,
        Content("email", f"{some[0]}{mark}", parts, mail.raw),
        *(Content(channel, f"{some[0]}{mark}", said) for channel in channels),
    )


async def test_the_inbox_keeps_the_newest_and_not_for_ever(migrated_url: str) -> None:
    async with open_post(migrated_url) as post:
        shop = post.shop
        small = InboxGateway("mail", "email", shop.db, shop.clock, most=3)

        async def keep(*names: str) -> None:
            await small.send_many([a_claim(a_mail(), name) for name in names])

        async def kept() -> list[str]:
            async with shop.db.transaction() as conn:
                return list((await conn.execute(select(KEPT.c.message).order_by(KEPT.c.id))).scalars())

        await keep("m1", "m2")
        await keep("m3", "m4", "m5")
        assert await kept() == ["m3", "m4", "m5"]
        shop.clock.move(timedelta(days=366))
        await keep("m6")
        assert await kept() == ["m6"]
