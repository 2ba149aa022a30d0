"""A shop whose mail goes to the inbox, and a browser-like client on its pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import select

from dangol.clock import utc_now
from dangol.codec import decode_event
from dangol.documents import Document
from dangol.events import Event
from dangol.http import make_app
from dangol.keys import KeyRing
from dangol.settings import Settings, read_settings
from dangol.topics import Topic
from dangol_dispatcher import inbox, pages
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.gateway_inbox import InboxGateway
from dangol_dispatcher.rows import KEPT
from tests.support.dispatching import WORKSPACE, Shop, WoundClock, a_message, documents, open_shop, some_facts

PERSON = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15"
HTML = '<html><body><p>{{ profile.name }}</p><a href="https://shop.example/cart?a=1&amp;b=2">cart</a></body></html>'
SECRET = "a-secret-key-for-tests"


@dataclass
class Posted:
    """The shop, its pages, and what its inbox holds."""

    shop: Shop
    client: httpx2.AsyncClient
    app: FastAPI
    settings: Settings

    async def send(self, id: str = "m1", channel: str = "email", **given: Any) -> None:
        """Ask for a message and work until it is gone."""
        given = {"values": {"profile": {"name": "민지"}}, "at": self.shop.clock()} | given
        await self.shop.hear(some_facts(), a_message(id, by=(channel,), **given))
        gate = f"{channel}-gate"
        gateway = InboxGateway(gate, channel, self.shop.db, self.shop.clock)
        desk = self.shop.desks.setdefault(gate, Desk(self.shop.office, WORKSPACE, gate, gateway))
        for _ in range(5):
            await desk.step()
            await desk.drain()

    async def mail(self, id: str = "m1") -> EmailMessage:
        """A mail of the inbox, parsed."""
        async with self.shop.db.transaction() as conn:
            raw = (await conn.execute(select(KEPT.c.raw).where(KEPT.c.message == id))).scalar_one()
        parsed = message_from_bytes(raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    async def unsubscribe_link(self, id: str = "m1") -> str:
        """The path of a mail's List-Unsubscribe."""
        return str((await self.mail(id))["List-Unsubscribe"]).strip("<>")

    def events(self, name: str) -> list[Event]:
        """The events of a name that were told."""
        told = [decode_event(one.value) for one in self.shop.log.said if one.topic is Topic.EVENTS]
        return [event for event in told if event.name == name]


def mail_documents() -> list[Document]:
    """The shop's documents, its advert in HTML."""
    said = {"subject": "hi", "html": HTML, "from": "Shop <shop@example.test>"}
    advert = {"template": "advert", "category": "marketing", "email": said, "sms": {"text": "{{ profile.name }}"}}
    return [one for one in documents(sender={"name": "단골 상점"}) if one.name != "advert"] + [
        Document("template", "advert", advert)
    ]


@asynccontextmanager
async def open_post(url: str, host: str = "127.0.0.1") -> AsyncIterator[Posted]:
    """It, over a migrated database, bound to `host`."""
    log = url if "sqlite" in url else "kafka://none"
    settings = read_settings({}, db=url, log=log, host=host, secret_key=SECRET, public_url="http://127.0.0.1:8420")
    async with open_shop(url, WoundClock(utc_now()), mail_documents()) as shop:
        office = shop.office
        routers = [
            pages.router(shop.db, office.outbox, office.sealer, office.published),
            inbox.router(shop.db, settings, office.sealer),
        ]
        app = make_app(KeyRing(shop.db, settings, shop.clock), routers)
        transport = httpx2.ASGITransport(app)
        headers = {"user-agent": PERSON}
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=headers) as client:
            yield Posted(shop, client, app, settings)
