"""What the inbox has kept, as its page shows it: lists, one message, who wrote to whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.messages import Message
from dangol_dispatcher.rows import KEPT, MESSAGE

PAGE = 50
PREVIEW = 120  # characters


@dataclass(frozen=True, slots=True)
class Asked:
    """Which letters are wanted: of a person, on a channel, saying something, older than one."""

    workspace: str
    text: str = ""
    channel: str = ""
    profile: str = ""
    before: int | None = None


async def newest(conn: AsyncConnection, workspace: str) -> int:
    """The id of the last letter kept; 0 when there is none. What a page that waits asks."""
    found = select(func.coalesce(func.max(KEPT.c.id), 0)).where(KEPT.c.workspace == workspace)
    return int((await conn.execute(found)).scalar_one())


async def letters(conn: AsyncConnection, asked: Asked) -> list[dict[str, Any]]:
    """The newest letters first, at most a page of them."""
    rows = await conn.execute(_wanted(asked).order_by(KEPT.c.id.desc()).limit(PAGE))
    return [_line(row) for row in rows.mappings()]


async def people(conn: AsyncConnection, workspace: str) -> list[dict[str, Any]]:
    """Who was written to last, with how many letters each."""
    last, count = func.max(KEPT.c.id).label("last"), func.count().label("letters")
    grouped = (
        select(KEPT.c.profile, last, count)
        .where(KEPT.c.workspace == workspace)
        .group_by(KEPT.c.profile)
        .order_by(last.desc())
        .limit(PAGE)
        .subquery()
    )
    asked = _columns().join(grouped, grouped.c.last == KEPT.c.id).add_columns(grouped.c.letters)
    rows = await conn.execute(asked.order_by(KEPT.c.id.desc()))
    return [
        {key: line[key] for key in ("profile", "person", "name")} | {"letters": row["letters"]}
        for row in rows.mappings()
        for line in [_line(row)]
    ]


async def letter(conn: AsyncConnection, workspace: str, number: int) -> dict[str, Any] | None:
    """One letter with all it says."""
    row = (await conn.execute(_wanted(Asked(workspace)).where(KEPT.c.id == number))).mappings().first()
    if row is None:
        return None
    whole = _line(row) | {"parts": _parts(row), "raw": row["raw"].decode("utf-8", "replace")}
    return whole | {"headers": _headers(row["raw"]) if row["channel"] == "email" else []}


async def html_of(conn: AsyncConnection, delivery: str) -> str:
    """The HTML of a mail."""
    found = await conn.execute(select(KEPT.c.parts).where(KEPT.c.delivery == delivery))
    parts = found.scalar_one_or_none()
    return str(msgspec.json.decode(parts).get("html") or "") if parts else ""


def _columns() -> Select[Any]:
    joined = KEPT.outerjoin(MESSAGE, MESSAGE.c.id == KEPT.c.message)
    return select(KEPT, MESSAGE.c.payload, MESSAGE.c.user_id, MESSAGE.c.category).select_from(joined)


def _wanted(asked: Asked) -> Select[Any]:
    wanted: list[ColumnElement[bool]] = [KEPT.c.workspace == asked.workspace]
    if asked.channel:
        wanted.append(KEPT.c.channel == asked.channel)
    if asked.profile:
        wanted.append(KEPT.c.profile == asked.profile)
    if asked.before:
        wanted.append(KEPT.c.id < asked.before)
    for word in asked.text.lower().split()[:5]:
        places = (KEPT.c.endpoint, KEPT.c.parts, MESSAGE.c.user_id, MESSAGE.c.journey)
        wanted.append(or_(*(func.lower(place).contains(word, autoescape=True) for place in places)))
    return _columns().where(and_(*wanted))


def _line(row: Mapping[Any, Any]) -> dict[str, Any]:
    message = msgspec.json.decode(row["payload"], type=Message) if row["payload"] else None
    profile = (message.values.get("profile") if message else None) or {}
    name = profile.get("name") if isinstance(profile, dict) else None
    parts = _parts(row)
    return {
        "id": row["id"],
        "delivery": row["delivery"],
        "message": row["message"],
        "at": row["at"],
        "channel": row["channel"],
        "gateway": row["gateway"],
        "to": row["endpoint"],
        "profile": row["profile"],
        "person": row["user_id"] or (message.anonymous_id if message else None) or "",
        "name": name if isinstance(name, str) else "",
        "journey": message.journey if message else "",
        "step": message.step if message else "",
        "template": message.template if message else "",
        "category": row["category"] or "",
        "title": _title(parts),
        "preview": _preview(parts),
    }


def _parts(row: Mapping[Any, Any]) -> dict[str, Any]:
    return msgspec.json.decode(row["parts"], type=dict[str, Any])


def _title(parts: Mapping[str, Any]) -> str:
    return str(parts.get("subject") or parts.get("title") or "")


def _preview(parts: Mapping[str, Any]) -> str:
    said = str(parts.get("text") or parts.get("body") or "")
    return " ".join(said.split())[:PREVIEW]


def _headers(raw: bytes) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in message_from_bytes(raw, policy=default).items()]
