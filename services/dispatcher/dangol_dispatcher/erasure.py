"""Two people who are one, and people who are to be forgotten: what that does to everything kept about them."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Reason
from dangol.messages import Facts, Message
from dangol_dispatcher import consents
from dangol_dispatcher.model import Status
from dangol_dispatcher.rows import ATTEMPT, COUPON, DELIVERY, KEPT, MESSAGE

_messages = msgspec.json.Decoder(Message)
NOT_TRIED = (Status.ASKED.value, Status.HELD.value, Status.RETRYING.value)


async def join(db: Db, conn: AsyncConnection, facts: Facts, stays: str) -> None:
    """Everything of the merged is of `stays`: statements, what was sent (so caps add up), codes. Both are locked.

    Suppressions are kept by endpoint: they were never of one person alone.
    """
    gone = facts.profile
    await consents.join(db, conn, facts.workspace, gone, stays, refusals_only=facts.doubtful)
    await conn.execute(update(MESSAGE).where(MESSAGE.c.profile == gone).values(profile=stays))
    for table in (COUPON, KEPT):
        await conn.execute(update(table).where(table.c.profile == gone).values(profile=stays))


async def erase(conn: AsyncConnection, profiles: Collection[str], now: datetime) -> None:
    """Nothing more is sent to these people, and what was said to them is forgotten; suppressions stay, as hashes."""
    if not profiles:
        return
    await consents.forget(conn, profiles)
    await conn.execute(delete(KEPT).where(KEPT.c.profile.in_(sorted(profiles))))
    theirs = MESSAGE.c.profile.in_(sorted(profiles))
    ended = {"status": Status.DROPPED.value, "reason": Reason.ERASED.value, "delivery": None, "updated_at": now}
    await conn.execute(update(MESSAGE).where(theirs, MESSAGE.c.status.in_(NOT_TRIED)).values(ended))
    rows = (await conn.execute(select(MESSAGE.c.id, MESSAGE.c.payload).where(theirs))).all()
    if not rows:
        return
    blank = update(MESSAGE).where(MESSAGE.c.id == bindparam("of"))
    values = blank.values(payload=bindparam("bare"), user_id=None, key="", details="{}")
    await conn.execute(values, [{"of": row.id, "bare": _bare(row.payload)} for row in rows])
    ids = [row.id for row in rows]
    said = update(DELIVERY).where(DELIVERY.c.message.in_(ids))
    await conn.execute(said.values(content="{}", raw=b"", endpoint=""))
    tried = select(DELIVERY.c.id).where(DELIVERY.c.message.in_(ids))
    await conn.execute(update(ATTEMPT).where(ATTEMPT.c.delivery.in_(tried)).values(said=""))  # they quote addresses
    await conn.execute(update(COUPON).where(COUPON.c.profile.in_(sorted(profiles))).values(profile=None))


def _bare(payload: str) -> str:
    """A message without anything of the person."""
    message = _messages.decode(payload)
    bare = msgspec.structs.replace(message, key="", user_id=None, anonymous_id=None, values={}, webhook=None, to=None)
    return msgspec.json.encode(bare).decode()
