"""What came of a mail's links: each first open or click is an event, by a person or by a machine."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.events import Fate
from dangol.messages import Message
from dangol.names import named
from dangol.outbox import Outbox
from dangol_dispatcher.recipients import load_recipients
from dangol_dispatcher.rows import DELIVERY, MESSAGE, RECEIPT
from dangol_dispatcher.telling import fate_event, whom


@dataclass(frozen=True, slots=True)
class Followed:
    """The delivery a link was in."""

    message: Message
    profile: str
    channel: str
    gateway: str
    links: tuple[str, ...]
    since: timedelta  # from its hand-off to now


async def delivery_of(conn: AsyncConnection, workspace: str, delivery: str, now: datetime) -> Followed | None:
    """The delivery a link names; None when it is no longer kept."""
    found = await conn.execute(
        select(DELIVERY, MESSAGE.c.payload, MESSAGE.c.profile)
        .join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message)
        .where(DELIVERY.c.id == delivery, DELIVERY.c.workspace == workspace)
    )
    row = found.mappings().first()
    if row is None:
        return None
    parts = msgspec.json.decode(row["content"], type=dict[str, Any])
    return Followed(
        message=msgspec.json.decode(row["payload"], type=Message),
        profile=row["profile"],
        channel=row["channel"],
        gateway=row["gateway"],
        links=tuple(parts.get("links") or ()),
        since=now - row["first_claimed_at"],
    )


async def tell_open(
    db: Db, conn: AsyncConnection, outbox: Outbox, opened: Followed, machine: str | None, *, proxy: bool = False
) -> None:
    """`Message Opened`, once by a person and once by a machine. `proxy`: fetched for the person by a service."""
    await _tell(db, conn, outbox, opened, Fate.OPENED, machine, "", proxy=proxy)


async def tell_click(
    db: Db, conn: AsyncConnection, outbox: Outbox, clicked: Followed, machine: str | None, number: int
) -> None:
    """`Message Clicked`, once a link; who clicked has opened it too, though it showed no images."""
    if machine is None:
        await _tell(db, conn, outbox, clicked, Fate.OPENED, None, "")
    await _tell(db, conn, outbox, clicked, Fate.CLICKED, machine, clicked.links[number])


async def _tell(
    db: Db,
    conn: AsyncConnection,
    outbox: Outbox,
    followed: Followed,
    fate: Fate,
    machine: str | None,
    url: str,
    *,
    proxy: bool = False,
) -> None:
    message, now = followed.message, await db.now(conn)
    about = f"{'machine' if machine else ''}\x1f{url}" if machine or url else ""
    row = {
        "id": named("receipt", message.id, fate, about),
        "workspace": message.workspace,
        "message": message.id,
        "kind": str(fate),
        "matched": True,
        "at": now,
        "details": msgspec.json.encode({"channel": followed.channel, "url": url, "machine": machine}).decode(),
    }
    insert = db.upsert(RECEIPT).values(**row).on_conflict_do_nothing().returning(RECEIPT.c.id)
    if (await conn.execute(insert)).first() is None:
        return  # told before
    person = whom(message, (await load_recipients(conn, [followed.profile])).get(followed.profile))
    properties = {
        "channel": followed.channel,
        "gateway": followed.gateway,
        "url": url,
        "machine": machine is not None,
        "proxy": proxy,
        "agent": machine,
    }
    await outbox.put(conn, [fate_event(message, person, fate, now, properties, about)])
