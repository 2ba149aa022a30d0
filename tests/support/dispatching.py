"""What dispatcher's tests are built from: messages and facts with defaults, a gateway that obeys, a shop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.codec import decode_decision, decode_event
from dangol.db import Db, in_transaction, open_db
from dangol.definitions import Document, publish
from dangol.messages import Address, ConsentStatement, Facts, Message
from dangol.outbox import Outbox
from dangol.settings import read_settings
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_dispatcher.desk import Desk, Office
from dangol_dispatcher.intake import take_in
from dangol_dispatcher.link_keys import open_sealer
from dangol_dispatcher.model import Accepted, Claimed, Gateway, Outcome
from dangol_dispatcher.published import Published
from dangol_dispatcher.views import message as view_message

NOON = datetime(2026, 3, 4, 3, tzinfo=UTC)  # a Wednesday, 12:00 in Seoul
WORKSPACE = "default"
MAIL = "a@example.test"
PHONE = "+821012345678"


class WoundClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        """The moment it shows."""
        return self.at

    def move(self, by: timedelta) -> None:
        """Forward."""
        self.at += by


def a_message(id: str = "m1", **given: Any) -> Message:
    """A marketing message by mail to person p1, asked at noon."""
    defaults: dict[str, Any] = {
        "workspace": WORKSPACE,
        "id": id,
        "profile": "p1",
        "person_version": 1,
        "key": "default/u1",
        "user_id": "u1",
        "journey": "welcome",
        "version": 1,
        "enrolment": "e1",
        "step": "mail",
        "visit": 1,
        "at": NOON,
        "template": "advert",
        "by": ("email",),
    }
    return Message(**(defaults | given))


def a_consent(granted: bool = True, **given: Any) -> ConsentStatement:
    """Consent to marketing on all roads, by day, stated a day before noon."""
    defaults: dict[str, Any] = {"granted": granted, "at": NOON - timedelta(days=1)}
    return ConsentStatement(**(defaults | given))


def addresses() -> tuple[Address, ...]:
    """A mail address, a phone and an app."""
    return (
        Address(kind="email", value=MAIL, at=NOON),
        Address(kind="phone", value=PHONE, at=NOON),
        Address(kind="device", value="token-1", at=NOON, detail={"platform": "ios"}),
    )


def some_facts(profile: str = "p1", **given: Any) -> Facts:
    """A person in Seoul who can be reached everywhere and agreed to marketing."""
    defaults: dict[str, Any] = {
        "workspace": WORKSPACE,
        "profile": profile,
        "version": 1,
        "key": f"default/u{profile[1:]}",
        "user_id": f"u{profile[1:]}",
        "addresses": addresses(),
        "zone": "Asia/Seoul",
        "consents": (a_consent(),),
    }
    return Facts(**(defaults | given))


def documents(caps: Mapping[str, Any] | None = None, **workspace: Any) -> list[Document]:
    """A shop with an advert and a notice on mail, sms and push, and a gateway for each."""
    said = {
        "email": {"subject": "hi", "text": "hi", "from": "Shop <shop@example.test>"},
        "sms": {"text": "hi"},
        "push": {"title": "hi", "body": "hi"},
    }
    body = {"workspace": WORKSPACE, "zone": "Asia/Seoul", "locale": "en"} | workspace
    return [
        Document("workspace", WORKSPACE, body),
        Document("template", "advert", {"template": "advert", "category": "marketing", **said}),
        Document("template", "notice", {"template": "notice", "category": "transactional", **said}),
        *([Document("caps", "caps", dict(caps))] if caps else []),
        *(
            Document("gateway", f"{channel}-gate", {"gateway": f"{channel}-gate", "channel": channel, "kind": "inbox"})
            for channel in ("email", "sms", "push")
        ),
    ]


@dataclass
class ToldGateway:
    """A gateway that writes down what it is handed and answers as it is told; by default it accepts all."""

    name: str = "email-gate"
    channel: str = "email"
    key_window: timedelta | None = None
    batch: int = 100
    concurrency: int = 4
    deadline: timedelta = timedelta(seconds=10)
    answers: Callable[[Claimed], Outcome] = lambda one: Accepted(f"provider-{one.delivery}")
    handed: list[Claimed] = field(default_factory=list)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Write them down and answer."""
        await asyncio.sleep(0)
        self.handed += claimed
        return [self.answers(one) for one in claimed]

    async def close(self) -> None:
        """Nothing is held."""


class PaperLog:
    """The log as a list of what was said to it; `append_within` keeps what was committed or not, alike."""

    partitions = 1

    def __init__(self) -> None:
        self.said: list[Outgoing] = []

    def partition_of(self, key: str) -> int:
        """One partition."""
        return 0

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Write it down."""
        self.said += outgoing

    async def append_within(self, conn: AsyncConnection, outgoing: Sequence[Outgoing]) -> bool:
        """Write it down."""
        self.said += outgoing
        return True


@dataclass
class Shop:
    """Dispatcher's core over a real database, with desks whose gateways are told what to answer."""

    db: Db
    clock: WoundClock
    office: Office
    log: PaperLog
    desks: dict[str, Desk] = field(default_factory=dict)

    async def hear(self, *spoken: Any) -> None:
        """Take in what journey says."""

        async def work(conn: AsyncConnection) -> None:
            await self.office.published.current(conn)
            await take_in(self.db, conn, self.office.outbox, self.office.published, spoken)

        await in_transaction(self.db, work)

    async def publish(self, published: Sequence[Document]) -> None:
        """Publish a set."""
        await publish(self.db, WORKSPACE, published, by="test")

    def desk(self, gateway: Gateway) -> Desk:
        """The desk of a gateway."""
        return self.desks.setdefault(gateway.name, Desk(self.office, WORKSPACE, gateway.name, gateway))

    async def work(self, *gateways: Gateway) -> None:
        """Work until nothing is due at any of the desks."""
        for _ in range(50):
            steps = 0
            for gateway in gateways:
                desk = self.desk(gateway)
                until = await desk.step()
                await desk.drain()
                steps += until is not None and until <= self.clock()
            if not steps:
                return

    async def see(self, id: str) -> dict[str, Any]:
        """A message as the API shows it."""
        async with self.db.transaction() as conn:
            return await view_message(conn, WORKSPACE, id)

    async def status(self, id: str) -> tuple[str, str]:
        """Its status and its reason."""
        seen = await self.see(id)
        return seen["status"], seen["reason"]


def told(shop: Shop) -> list[tuple[str, str]]:
    """The decisions said so far: verdict and reason."""
    said = [decode_decision(one.value) for one in shop.log.said if one.topic is Topic.DECISIONS]
    return [(one.verdict, one.reason) for one in said]


def fates(shop: Shop) -> list[str]:
    """The names of the events said so far."""
    return [decode_event(one.value).name for one in shop.log.said if one.topic is Topic.EVENTS]


def in_turn(*outcomes: Outcome) -> Callable[[Claimed], Outcome]:
    """The answers of a gateway, one after another."""
    left: Iterator[Outcome] = iter(outcomes)
    return lambda _one: next(left)


@asynccontextmanager
async def open_shop(url: str, clock: WoundClock, published: Sequence[Document]) -> AsyncIterator[Shop]:
    """A shop over the migrated database at `url`."""
    db = await open_db(url, clock, pool=40)
    try:
        log = PaperLog()
        outbox = Outbox(db, log, "dispatcher")  # type: ignore[arg-type]
        sealer = await open_sealer(db, read_settings({}, db=url, log=url if "sqlite" in url else "kafka://none"))
        shop = Shop(db, clock, Office(db, outbox, Published("inbox"), sealer), log)
        await shop.publish(published)
        yield shop
    finally:
        await db.close()
