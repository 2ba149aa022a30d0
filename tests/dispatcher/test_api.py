"""The API under hostile bodies: what no database can store is the asker's mistake, never ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from dangol.http import make_app
from dangol.keys import KeyRing
from dangol.settings import read_settings
from dangol_dispatcher.api import open_router
from tests.support.dispatching import Shop, WoundClock, a_message, documents, open_shop, some_facts

SECRET = "a-secret-key-for-tests"
NUL, LONE = "a\x00b", '"\\ud800"'
BODIES = (
    ("/api/consents", {"user_id": NUL, "granted": False}),
    ("/api/consents", {"user_id": "u1", "granted": False, "wording": NUL}),
    ("/api/consents", {"user_id": "u1", "granted": False, "purpose": NUL}),
    ("/api/consents", {"user_id": "u1", "granted": False, "channels": [NUL]}),
    ("/api/receipts", [{"message": NUL, "kind": "delivered"}]),
    ("/api/receipts", [{"message": "m1", "kind": "delivered", "event_id": NUL}]),
    ("/api/switches", {"switch": f"journey:{NUL}", "on": True}),
    ("/api/coupons/gift", {"codes": [NUL]}),
)


@asynccontextmanager
async def asked(url: str) -> AsyncIterator[tuple[Shop, httpx2.AsyncClient]]:
    log = url if "sqlite" in url else "kafka://none"
    settings = read_settings({}, db=url, log=log, secret_key=SECRET)
    async with open_shop(url, WoundClock(), documents()) as shop:
        await shop.hear(some_facts(), a_message())
        app = make_app(KeyRing(shop.db, settings, shop.clock), [open_router(shop.office, lambda: None)])
        headers = {"authorization": f"Bearer {SECRET}"}
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
            yield shop, client


async def test_text_that_cannot_be_stored_is_refused_in_bodies(migrated_url: str) -> None:
    """faults H129."""
    async with asked(migrated_url) as (_, client):
        for path, body in BODIES:
            answer = await client.post(path, json=body)
            assert 400 <= answer.status_code < 500, (path, body, answer.status_code, answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "/api/messages?user_id=%00",
        "/api/messages?status=%00&journey=%00",
        "/api/messages/%00",
        "/api/consents?user_id=%00",
        "/api/coupons/%00",
        "/api/messages?user_id=%ED%A0%80",
    ],
)
async def test_text_that_cannot_be_stored_is_found_nowhere(migrated_url: str, path: str) -> None:
    """faults H129."""
    async with asked(migrated_url) as (_, client):
        answer = await client.get(path)
        assert answer.status_code < 500, (path, answer.status_code, answer.text)


async def test_a_body_that_is_no_unicode_is_refused(migrated_url: str) -> None:
    """faults H130."""
    async with asked(migrated_url) as (_, client):
        for path, body in (
            ("/api/consents", f'{{"user_id": {LONE}, "granted": true}}'),
            ("/api/receipts", f'[{{"message": {LONE}, "kind": "delivered"}}]'),
            ("/api/coupons/gift", f'{{"codes": [{LONE}]}}'),
            ("/api/switches", f'{{"switch": {LONE}, "on": true}}'),
        ):
            answer = await client.post(path, content=body.encode(), headers={"content-type": "application/json"})
            assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text)


async def test_text_of_any_language_is_taken(migrated_url: str) -> None:
    async with asked(migrated_url) as (_, client):
        body = '{"codes": ["단골😀", "\\ud83d\\ude00X"]}'
        answer = await client.post("/api/coupons/gift", content=body, headers={"content-type": "application/json"})
        assert answer.json()["free"] == 2


async def test_a_refusal_under_an_old_id_is_the_joined_persons(migrated_url: str) -> None:
    """faults E81: in force when it is answered, though the person goes by another id since."""
    async with asked(migrated_url) as (shop, client):
        await shop.hear(some_facts("p2"), some_facts("p1", version=2, merged_into="p2"))
        answer = await client.post("/api/consents", json={"user_id": "u1", "granted": False})
        assert answer.json()["recorded"] is True
        for user in ("u1", "u2"):
            shown = (await client.get(f"/api/consents?user_id={user}")).json()
            assert {one["granted"] for one in shown["consents"]} == {False}
