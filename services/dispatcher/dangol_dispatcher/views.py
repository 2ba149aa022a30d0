"""What the API shows: messages with their deliveries and attempts, as JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.errors import NotFound
from dangol_dispatcher.rows import ATTEMPT, DELIVERY, MESSAGE

Shown = dict[str, Any]
COLUMNS = (
    "id",
    "profile",
    "user_id",
    "journey",
    "enrolment",
    "step",
    "status",
    "reason",
    "gateway",
    "channel",
    "category",
    "priority",
    "asked_at",
    "due_at",
    "expires_at",
    "updated_at",
)


async def messages(
    conn: AsyncConnection, workspace: str, wanted: Mapping[str, str | None], limit: int, after: str | None = None
) -> list[Shown]:
    """The newest messages that match; `wanted`: column → value, `after`: only those older than this one."""
    rows = select(MESSAGE).where(MESSAGE.c.workspace == workspace)
    for name, value in wanted.items():
        if value is not None:
            rows = rows.where(MESSAGE.c[name] == value)
    if after is not None:
        at = select(MESSAGE.c.asked_at).where(MESSAGE.c.workspace == workspace, MESSAGE.c.id == after).scalar_subquery()
        same = and_(MESSAGE.c.asked_at == at, MESSAGE.c.id > after)
        rows = rows.where(or_(MESSAGE.c.asked_at < at, same))
    return await _messages(conn, rows.order_by(MESSAGE.c.asked_at.desc(), MESSAGE.c.id).limit(limit))


async def message(conn: AsyncConnection, workspace: str, id: str) -> Shown:
    """One message with its deliveries, their attempts and content. Raises `NotFound`."""
    found = await _messages(conn, select(MESSAGE).where(MESSAGE.c.workspace == workspace, MESSAGE.c.id == id))
    if not found:
        raise NotFound("unknown_message", f"no message {id}", where="id")
    rows = await conn.execute(select(DELIVERY).where(DELIVERY.c.message == id).order_by(DELIVERY.c.first_claimed_at))
    deliveries = [_delivery(row) for row in rows.mappings()]
    tried = await conn.execute(
        select(ATTEMPT)
        .where(ATTEMPT.c.delivery.in_([one["id"] for one in deliveries]))
        .order_by(ATTEMPT.c.delivery, ATTEMPT.c.attempt)
    )
    attempts = [_plain(row) for row in tried.mappings()]
    for one in deliveries:
        one["attempts"] = [attempt for attempt in attempts if attempt["delivery"] == one["id"]]
    return found[0] | {"deliveries": deliveries}


async def _messages(conn: AsyncConnection, rows: Select[Any]) -> list[Shown]:
    return [_message(row) for row in (await conn.execute(rows)).mappings()]


def _message(row: Mapping[Any, Any]) -> Shown:
    shown = {name: row[name] for name in COLUMNS}
    payload = msgspec.json.decode(row["payload"], type=dict[str, Any])
    more = {"template": payload.get("template", ""), "by": payload.get("by", []), "at": payload.get("at")}
    return _plain(shown | more) | {"details": msgspec.json.decode(row["details"])}


def _delivery(row: Mapping[Any, Any]) -> Shown:
    kept = {name: value for name, value in row.items() if name not in ("raw", "content", "fence", "workspace")}
    return _plain(kept) | {"content": msgspec.json.decode(row["content"])}


def _plain(row: Mapping[Any, Any]) -> Shown:
    return dict(msgspec.to_builtins(dict(row)))
