"""Playing an input that was set aside again, once what made it raise is mended."""

import base64
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.codec import decode_event
from dangol.errors import NotFound
from dangol.rows import moment_for
from dangol_journey import aside
from dangol_journey.batch import Settled, Workshop, settle_events

_ONE = "SELECT kind, input, profile, replayed_at FROM set_aside WHERE id = :id AND workspace = :workspace {lock}"
_TRY_NOW = """UPDATE profile SET wake_raises = 0, wake_at = :now
    WHERE id = :profile AND (wake_at IS NULL OR wake_raises > 0)"""


async def replay(conn: AsyncConnection, shop: Workshop, workspace: str, id: str, now: datetime) -> Settled | None:
    """Play it again; None when that was done before. One that raises once more is set aside once more.

    Raises `NotFound`; `Invalid` for a record that still says nothing; and what `settle_events` raises.
    """
    lock = "" if conn.dialect.name == "sqlite" else "FOR UPDATE"
    found = (await conn.execute(text(_ONE.format(lock=lock)), {"id": id, "workspace": workspace})).one_or_none()
    if found is None:
        raise NotFound("not_set_aside", f"nothing called {id} is set aside")
    if found.replayed_at is not None:
        return None
    await aside.mark_replayed(conn, id, now)
    return await _play(conn, shop, found, now)


async def _play(conn: AsyncConnection, shop: Workshop, found: Any, now: datetime) -> Settled:
    match found.kind:
        case "wake":
            await conn.execute(text(_TRY_NOW), {"profile": found.profile, "now": moment_for(conn, now)})
            return Settled(people=1, wake_at=now)
        case "record":
            event = decode_event(base64.b64decode(found.input))
        case _:
            event = aside.event_of(found.input)
    return await settle_events(conn, shop, [event], now, again=True)
