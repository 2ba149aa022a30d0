"""What is published in the simulated shop: the starter, journeys that compete for caps, a gateway a channel."""

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dangol
from dangol.db import open_db
from dangol.definitions import check, publish
from dangol.documents import DefinitionSet, Document, errors, read_dir
from dangol.migrate import migrate

START = datetime(2026, 2, 27, 15, tzinfo=UTC)  # midnight in Seoul; nine days before the clocks change in New York
WORKSPACE = "default"
STARTER = Path(dangol.__file__).parent / "starter"
# What the log prunes is kept for the checks.
KEEP = """
PRAGMA journal_mode=MEMORY;
CREATE TABLE pruned AS SELECT id, topic, at, key, value FROM logged WHERE false;
CREATE TRIGGER keep BEFORE DELETE ON logged BEGIN
    INSERT INTO pruned VALUES (old.id, old.topic, old.at, old.key, old.value);
END;
CREATE VIEW ever_logged AS
    SELECT id, topic, at, key, value FROM pruned UNION ALL SELECT id, topic, at, key, value FROM logged;
"""
CHANNELS = ("email", "push", "sms")

NUDGE: dict[str, Any] = {
    "journey": "nudge",
    "enter": {"event": "Visited", "key": "event.place", "again": "2d"},
    "exit": [{"event": "Left", "where": "event.place == entry.place", "as": "gone"}],
    "priority": 30,
    "steps": [
        {"wait": "12h", "as": "pause"},
        {"send": "nudge", "by": ["push", "sms", "email"], "within": "30h", "otherwise": [{"set": {"missed": True}}]},
        {
            "wait": [
                {"event": "Visited", "where": "event.place == entry.place", "then": {"exit": "back"}},
                {"after": "2d"},
            ]
        },
        {"go": "pause", "at_most": 1},
    ],
}
TICKET: dict[str, Any] = {
    "journey": "ticket",
    "enter": {"event": "Ticket Opened", "key": "event.ticket_id", "again": "always"},
    "steps": [
        {"send": "ticket-opened", "by": "email", "as": "opened"},
        {
            "wait": [
                {"event": "Ticket Closed", "where": "event.ticket_id == entry.ticket_id", "then": {"go": "thanks"}},
                {"after": "1d", "between": "09:00-18:00"},
            ],
            "as": "answer",
        },
        {"send": "ticket-waits", "by": ["sms", "email"], "as": "waits"},
        {"wait": {"until": "entry.due_on", "or": "earlier", "between": "09:00-20:00"}, "as": "due"},
        {"branch": [{"when": "profile.tickets >= 3", "then": {"set": {"regular": True}}}], "as": "often"},
        {"send": "ticket-thanks", "by": "email", "as": "thanks"},
    ],
}


def documents(*, edited: bool = False, paused: bool = False) -> list[Document]:
    """The whole set. `edited`: a later version of two journeys; `paused`: nobody moves in `nudge`."""
    found, problems = read_dir(STARTER)
    assert not errors(problems), problems
    kept = [one for one in found if one.kind not in ("test", "caps", "gateway")]
    kept += [_journey(NUDGE, paused), _journey(TICKET, False), _caps(), *_templates(), *_gateways(), *_traits()]
    return [_edited(one) for one in kept] if edited else kept


def checked(wanted: list[Document]) -> list[Document]:
    """The same; raises where the product would refuse it."""
    problems = errors(check(DefinitionSet(0, WORKSPACE, tuple(wanted))))
    assert not problems, problems
    return wanted


def _journey(body: dict[str, Any], paused: bool) -> Document:
    return Document("journey", body["journey"], body | ({"paused": True} if paused else {}))


def _edited(document: Document) -> Document:
    """What an operator might change while people are inside."""
    if (document.kind, document.name) == ("journey", "nudge"):
        steps = [{"wait": "24h", "as": "pause"}, *document.body["steps"][1:]]
        return replace(document, body={**document.body, "steps": steps})
    if (document.kind, document.name) == ("journey", "cart-recovery"):
        return replace(document, body={**document.body, "priority": 60})
    return document


def _caps() -> Document:
    adverts = {"category": "marketing"}
    return Document(
        "caps",
        "caps",
        {
            "quiet": {"between": "20:50-08:00", "channels": ["sms", "lms", "push", "alimtalk", "brand_message"]},
            "caps": [
                {"cap": "daily", "at_most": 2, "per": "day", "zone": "person", "of": adverts, "over": "hold 12h"},
                {"cap": "weekly", "at_most": 3, "per": "7d", "of": adverts, "over": "drop"},
            ],
        },
    )  # fmt: skip


def _templates() -> Iterable[Document]:
    phone = {"push": {"title": "hi", "body": "hi"}, "sms": {"text": "hi"}}
    mail = {"email": {"subject": "hi {{ profile.name | default: 'you' }}", "text": "hi"}}
    yield Document("template", "nudge", {"template": "nudge", "category": "marketing", **mail, **phone})
    for name in ("ticket-opened", "ticket-waits", "ticket-thanks"):
        yield Document("template", name, {"template": name, "category": "transactional", **mail, "sms": {"text": "hi"}})


def _gateways() -> Iterable[Document]:
    for channel in CHANNELS:
        body = {"gateway": f"{channel}-gate", "channel": channel, "kind": "inbox"}
        yield Document("gateway", f"{channel}-gate", body)


def _traits() -> Iterable[Document]:
    counted = {"visits": "Visited", "tickets": "Ticket Opened", "carts": "Product Added", "signs": "Signed Up"}
    for name, event in counted.items():
        yield Document("trait", name, {"trait": name, "count": event})


@cache
def published() -> sqlite3.Connection:
    """A migrated database in which the first set is published: to be copied, and never used."""
    memory = sqlite3.connect(":memory:")
    with TemporaryDirectory() as place:
        asyncio.run(_make(f"{place}/made.db"))
        made = sqlite3.connect(f"{place}/made.db")
        made.backup(memory)
        made.close()
    memory.executescript(KEEP)
    return memory


async def _make(path: str) -> None:
    db = await open_db(f"sqlite:///{path}", lambda: START)
    try:
        await migrate(db)
        await publish(db, WORKSPACE, checked(documents()), by="simulation")
    finally:
        await db.close()
