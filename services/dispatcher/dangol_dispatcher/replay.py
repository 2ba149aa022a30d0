"""A dead letter played again: twice adds nothing."""

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.errors import NotFound
from dangol_dispatcher.model import Status
from dangol_dispatcher.rows import DELIVERY, MESSAGE

WORTH = timedelta(hours=24)  # how long it has, where its own time is over


async def replay(db: Db, conn: AsyncConnection, workspace: str, id: str) -> bool:
    """Ask again for a message that was given up; False where it was not. Its gateways see the keys they saw."""
    now = await db.now(conn)
    place = (MESSAGE.c.workspace == workspace, MESSAGE.c.id == id)
    row = (await conn.execute(select(MESSAGE.c.status, MESSAGE.c.expires_at).where(*place).with_for_update())).first()
    if row is None:
        raise NotFound("unknown_message", f"no message {id}", where="id")
    if row.status != Status.FAILED.value:
        return False
    expires_at = row.expires_at if row.expires_at > now else now + WORTH
    asked = {"status": Status.ASKED.value, "reason": "", "details": "{}", "passed": "{}", "delivery": None}
    moments = {"due_at": now, "asked_at": now, "expires_at": expires_at, "updated_at": now}
    await conn.execute(update(MESSAGE).where(*place).values(asked | moments))
    await conn.execute(update(DELIVERY).where(DELIVERY.c.message == id).values(counted_attempts=0))
    return True
