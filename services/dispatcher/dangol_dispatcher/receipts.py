"""Receipts: what a provider tells of a message, in any order, perhaps before our own record; statuses only rise."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Reason, Verdict
from dangol.errors import Invalid
from dangol.events import Fate
from dangol.messages import Message
from dangol.names import named
from dangol.outbox import Outbox
from dangol.rows import among, read
from dangol_dispatcher.model import Status
from dangol_dispatcher.recipients import load_recipients
from dangol_dispatcher.rows import DELIVERY, MESSAGE, RECEIPT, put_new
from dangol_dispatcher.suppressions import place_of, suppress
from dangol_dispatcher.telling import Told, decisions, fate_event, whom

KEPT = timedelta(hours=24)  # a receipt that came before our record, or is of a message that is not ours
Kind = Literal["delivered", "bounced", "complained"]
FATE = {"delivered": Fate.DELIVERED, "bounced": Fate.BOUNCED, "complained": Fate.COMPLAINED}
RISES = {
    "delivered": (Status.DELIVERED, (Status.SENT, Status.UNKNOWN)),
    "bounced": (Status.BOUNCED, (Status.SENT, Status.UNKNOWN, Status.DELIVERED)),
}
RECORDED = (Status.SENT, Status.UNKNOWN, Status.DELIVERED, Status.BOUNCED)


class Receipt(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One receipt: our message's id, what became of it, and the provider's own name for having told so."""

    message: str
    kind: Kind
    event_id: str = ""


def read_receipts(body: bytes) -> list[Receipt]:
    """The body of `POST /api/receipts`. Raises `Invalid`."""
    try:
        return msgspec.json.decode(body, type=list[Receipt])
    except msgspec.DecodeError as error:
        raise Invalid("invalid", str(error), hint='[{"message": "…", "kind": "delivered", "event_id": "…"}]') from error


async def take(db: Db, conn: AsyncConnection, outbox: Outbox, workspace: str, receipts: Sequence[Receipt]) -> None:
    """Keep them, each once, and apply those whose message is recorded."""
    now = await db.now(conn)
    await conn.execute(delete(RECEIPT).where(RECEIPT.c.matched.is_(False), RECEIPT.c.at < now - KEPT))
    await put_new(db, conn, RECEIPT, [_row(workspace, one, now) for one in receipts])
    await match(db, conn, outbox, workspace, {one.message for one in receipts}, now)


async def match(
    db: Db, conn: AsyncConnection, outbox: Outbox, workspace: str, messages: Collection[str], now: datetime
) -> None:
    """Apply the receipts that waited for these messages to be recorded."""

    def early() -> Select[Any]:
        theirs = among(conn, RECEIPT.c.message, "messages")
        return select(RECEIPT.c.id).where(theirs, RECEIPT.c.matched.is_(False)).limit(1)

    if not await read(conn, ("early receipts",), early, messages=sorted(messages)):
        return  # as nearly always
    await _confirm(conn, outbox, workspace, messages, now)
    waiting = (RECEIPT.c.workspace == workspace, RECEIPT.c.matched.is_(False), RECEIPT.c.message.in_(sorted(messages)))
    recorded = MESSAGE.c.status.in_([status.value for status in RECORDED])
    rows = await conn.execute(
        select(RECEIPT.c.id, RECEIPT.c.kind, MESSAGE.c.id.label("message"), MESSAGE.c.payload, MESSAGE.c.profile)
        .join(MESSAGE, MESSAGE.c.id == RECEIPT.c.message)
        .where(*waiting, MESSAGE.c.workspace == workspace, recorded)
        .order_by(RECEIPT.c.at, RECEIPT.c.id)
    )
    for row in rows.all():
        await _apply(db, conn, workspace, row.message, row.kind, now)
        message = msgspec.json.decode(row.payload, type=Message)
        person = whom(message, (await load_recipients(conn, [row.profile])).get(row.profile))
        await outbox.put(conn, [fate_event(message, person, FATE[row.kind], now, {}, about=row.id)])
        await conn.execute(update(RECEIPT).where(RECEIPT.c.id == row.id).values(matched=True))


async def _confirm(
    conn: AsyncConnection, outbox: Outbox, workspace: str, messages: Collection[str], now: datetime
) -> None:
    """retrying → sent: what nobody knew was taken, for the provider tells of it."""
    told = select(RECEIPT.c.message).where(
        RECEIPT.c.workspace == workspace, RECEIPT.c.matched.is_(False), RECEIPT.c.message.in_(sorted(messages))
    )
    doubted = (MESSAGE.c.status == Status.RETRYING.value, MESSAGE.c.delivery.is_not(None))
    sent = (
        update(MESSAGE)
        .where(MESSAGE.c.workspace == workspace, MESSAGE.c.id.in_(told), *doubted)
        .values(
            status=Status.SENT.value,
            reason=Reason.ACCEPTED.value,
            delivery=None,
            decided=MESSAGE.c.decided + 1,
            updated_at=now,
        )
        .returning(MESSAGE)
    )
    for row in (await conn.execute(sent)).mappings().all():
        message = msgspec.json.decode(row["payload"], type=Message)
        person = whom(message, (await load_recipients(conn, [row["profile"]])).get(row["profile"]))
        by = {"channel": row["channel"], "gateway": row["gateway"]}
        known = Told(Verdict.SENT, Reason.ACCEPTED, row["channel"], row["gateway"], {"said": "told by a receipt"})
        decided = decisions(message, person, row["profile"], [known], row["decided"] - 1, now)
        await outbox.put(conn, [fate_event(message, person, Fate.SENT, now, by), *decided])


async def _apply(db: Db, conn: AsyncConnection, workspace: str, message: str, kind: str, now: datetime) -> None:
    """Raise the status; an endpoint that bounced, or whose person complained, is dead to us."""
    if kind in RISES:
        status, below = RISES[kind]
        lower = MESSAGE.c.status.in_([one.value for one in below])
        raised = {"status": status.value, "updated_at": now}
        await conn.execute(update(MESSAGE).where(MESSAGE.c.id == message, lower).values(raised))
    if kind == "delivered":
        return
    tried = select(DELIVERY.c.channel, DELIVERY.c.endpoint).where(DELIVERY.c.message == message)
    newest = (await conn.execute(tried.order_by(DELIVERY.c.first_claimed_at.desc()).limit(1))).first()
    if newest and newest.endpoint:
        await suppress(db, conn, workspace, [place_of(newest.channel, newest.endpoint)], kind, now)


def _row(workspace: str, one: Receipt, now: datetime) -> dict[str, object]:
    return {
        "id": named("receipt", workspace, one.message, one.kind, one.event_id),
        "workspace": workspace,
        "message": one.message,
        "kind": one.kind,
        "matched": False,
        "at": now,
        "details": "{}",
    }
