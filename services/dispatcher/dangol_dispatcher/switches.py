"""Kill switches: when the answer to `on` is given, nothing more starts."""

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Reason
from dangol.errors import Invalid
from dangol_dispatcher.model import Status
from dangol_dispatcher.rows import MESSAGE, SWITCH, Row, put

KINDS = ("channel", "journey", "template", "category", "gateway")


async def turn(db: Db, conn: AsyncConnection, workspace: str, name: str, by: str, *, on: bool) -> None:
    """Turn a switch on or off; what it held is due again once it is off. Raises `Invalid`."""
    kind, _, what = name.partition(":")
    if name != "all" and not (kind in KINDS and what):
        kinds = ", ".join(f"{kind}:…" for kind in KINDS)
        raise Invalid("unknown_switch", f"no switch is called {name}", where="switch", hint=f"all, {kinds}")
    now = await db.now(conn)
    if on:
        await put(db, conn, SWITCH, [{"workspace": workspace, "name": name, "by": by, "at": now}])
        return
    await conn.execute(delete(SWITCH).where(SWITCH.c.workspace == workspace, SWITCH.c.name == name))
    stopped = (
        MESSAGE.c.status.in_([Status.HELD.value, Status.RETRYING.value]),
        MESSAGE.c.reason == Reason.KILL_SWITCH.value,
    )
    await conn.execute(update(MESSAGE).where(MESSAGE.c.workspace == workspace, *stopped).values(due_at=now))


async def switches(conn: AsyncConnection, workspace: str) -> list[Row]:
    """Those that are on."""
    rows = await conn.execute(select(SWITCH).where(SWITCH.c.workspace == workspace).order_by(SWITCH.c.name))
    return [{"switch": row["name"], "by": row["by"], "at": row["at"].isoformat()} for row in rows.mappings()]
