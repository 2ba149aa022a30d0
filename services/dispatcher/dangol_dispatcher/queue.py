"""The queue: messages as rows, found when due, locked, and moved on by what became of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.messages import Message
from dangol_dispatcher.ledger import Turn, Waiting
from dangol_dispatcher.model import SendRequest, Status
from dangol_dispatcher.rows import DELIVERY, MESSAGE, Row
from dangol_dispatcher.rulebook import Rules

OPEN = (Status.ASKED, Status.HELD, Status.CLAIMED, Status.RETRYING)
IS_OPEN = MESSAGE.c.status.in_([status.value for status in OPEN])
_messages = msgspec.json.Decoder(Message)


async def due_messages(
    conn: AsyncConnection, rules: Rules, gateway: str, now: datetime, at_most: int, *, only_expired: bool = False
) -> list[Waiting]:
    """The messages of a gateway that are due, the longest due first; `only_expired`: those worthless by now."""
    moment = MESSAGE.c.expires_at if only_expired else MESSAGE.c.due_at
    place = and_(MESSAGE.c.workspace == rules.workspace, MESSAGE.c.gateway == gateway, IS_OPEN, moment <= now)
    if only_expired:
        place = and_(place, MESSAGE.c.status != Status.CLAIMED.value)
    return await _read(conn, rules, _joined().where(place).order_by(moment, MESSAGE.c.id).limit(at_most))


async def lock_messages(conn: AsyncConnection, rules: Rules, ids: Collection[str], now: datetime) -> list[Waiting]:
    """Those of these messages that are still open and due and that nobody else holds, locked."""
    locked = (
        select(MESSAGE.c.id)
        .where(MESSAGE.c.id.in_(sorted(ids)), IS_OPEN, or_(MESSAGE.c.due_at <= now, MESSAGE.c.expires_at <= now))
        .order_by(MESSAGE.c.id)
        .with_for_update(skip_locked=True)
    )
    ours = list((await conn.execute(locked)).scalars())
    # a new statement: what is read together with the lock may be older than the lock
    return await _read(conn, rules, _joined().where(MESSAGE.c.id.in_(ours))) if ours else []


async def competitors(
    conn: AsyncConnection, rules: Rules, profiles: Collection[str], besides: Collection[str], now: datetime
) -> list[Waiting]:
    """Other due messages of these people, in whatever queue."""
    due = and_(
        MESSAGE.c.profile.in_(sorted(profiles)),
        MESSAGE.c.workspace == rules.workspace,
        MESSAGE.c.status.in_([Status.ASKED.value, Status.HELD.value]),
        MESSAGE.c.due_at <= now,
        MESSAGE.c.id.not_in(sorted(besides)),
    )
    return await _read(conn, rules, _joined().where(due))


async def messages_named(
    conn: AsyncConnection, rules: Rules, ids: Collection[str], *, lock: bool = False
) -> list[Waiting]:
    """These messages, whatever their state; locked first where `lock`."""
    if lock:
        rows = select(MESSAGE.c.id).where(MESSAGE.c.id.in_(sorted(ids))).order_by(MESSAGE.c.id).with_for_update()
        await conn.execute(rows)
    return await _read(conn, rules, _joined().where(MESSAGE.c.id.in_(sorted(ids))))


async def next_moment(conn: AsyncConnection, workspace: str, gateway: str) -> datetime | None:
    """When something of this queue is due next."""
    place = and_(MESSAGE.c.workspace == workspace, MESSAGE.c.gateway == gateway, IS_OPEN)
    found: datetime | None = (await conn.execute(select(func.min(MESSAGE.c.due_at)).where(place))).scalar()
    return found


async def next_expiry(conn: AsyncConnection, workspace: str, gateway: str) -> datetime | None:
    """When something of this queue becomes worthless next."""
    place = and_(MESSAGE.c.workspace == workspace, MESSAGE.c.gateway == gateway, IS_OPEN)
    found: datetime | None = (await conn.execute(select(func.min(MESSAGE.c.expires_at)).where(place))).scalar()
    return found


async def save_turns(conn: AsyncConnection, turns: Sequence[tuple[Waiting, Turn]], now: datetime) -> None:
    """Move messages on. Each is locked by this transaction."""
    if not turns:
        return
    columns = [name for name in _changes(*turns[0], now) if name != "row_id"]
    statement = (
        update(MESSAGE)
        .where(MESSAGE.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}", type_=MESSAGE.c[name].type) for name in columns})
    )
    changed = [_changes(waiting, turn, now) for waiting, turn in turns]
    parameters = [
        {"row_id" if name == "row_id" else f"new_{name}": value for name, value in row.items()} for row in changed
    ]
    await conn.execute(statement, parameters)


def waiting_of(row: Row, rules: Rules, endpoint: str | None = None) -> Waiting:
    """A row of the queue as the rules look at it. `endpoint`: of the delivery that may not be left."""
    message = _messages.decode(row["payload"])
    template = rules.templates.get(message.template)
    pinned = (row["channel"], endpoint) if row["delivery"] and endpoint is not None else None
    request = SendRequest(
        message=message,
        category=template.category if template else row["category"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        tags=template.tags if template else (),
        passed=msgspec.json.decode(row["passed"], type=dict[str, str]),
        pinned=pinned,
        counted=row["channel"] or "" if row["counted_at"] else "",
        cancelled=row["cancelled"],
    )
    return Waiting(
        request=request,
        workspace=row["workspace"],
        profile=row["profile"],
        status=Status(row["status"]),
        due_at=row["due_at"],
        gateway=row["gateway"],
        channel=row["channel"],
        reason=row["reason"],
        details=msgspec.json.decode(row["details"], type=dict[str, Any]),
        delivery=row["delivery"],
        decided=row["decided"],
        counted_at=row["counted_at"],
    )


def _joined() -> Select[Any]:
    return select(MESSAGE, DELIVERY.c.endpoint).outerjoin(DELIVERY, DELIVERY.c.id == MESSAGE.c.delivery)


async def _read(conn: AsyncConnection, rules: Rules, rows: Select[Any]) -> list[Waiting]:
    found: Iterable[Mapping[Any, Any]] = (await conn.execute(rows)).mappings()
    return [waiting_of(dict(row), rules, row["endpoint"]) for row in found]


def _changes(waiting: Waiting, turn: Turn, now: datetime) -> Row:
    return {
        "row_id": waiting.request.message.id,
        "status": turn.status.value,
        "due_at": turn.due_at,
        "reason": str(turn.reason),
        "details": msgspec.json.encode(dict(turn.details)).decode(),
        "gateway": waiting.gateway if turn.gateway is None else turn.gateway,
        "channel": turn.channel,
        "passed": msgspec.json.encode(dict(waiting.request.passed if turn.passed is None else turn.passed)).decode(),
        "delivery": turn.delivery,
        "counted_at": waiting.counted_at if turn.slot is None else turn.slot.at,
        "category": waiting.request.category,
        "tags": msgspec.json.encode(waiting.request.tags).decode(),
        "decided": waiting.decided + len(turn.told),
        "updated_at": now,
    }
