"""What all workers know of gateways, in the database: circuits, throttling, rates, pauses."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.rows import as_moment, asked, read
from dangol_dispatcher.breaker import Circuit, GatewayState
from dangol_dispatcher.rows import GATEWAY, Row, put, put_new

FRESH = GatewayState()
_PLAIN, _MOMENTS = ("failures", "rests", "paused"), ("retry_at", "throttled_until", "paced_until")


async def load_gate(conn: AsyncConnection, workspace: str, gateway: str) -> GatewayState:
    """The state of a gateway; one nothing happened to has no row."""
    return await _read(conn, workspace, gateway, lock=False) or FRESH


async def lock_gate(db: Db, conn: AsyncConnection, workspace: str, gateway: str) -> GatewayState:
    """The same, locked until the transaction ends: the row is made where there is none, or it could not be locked."""
    found = await _read(conn, workspace, gateway, lock=True)
    if found is None:
        await put_new(db, conn, GATEWAY, [_row(workspace, gateway, FRESH)])
        found = await _read(conn, workspace, gateway, lock=True)
    return found or FRESH


async def save_gate(db: Db, conn: AsyncConnection, workspace: str, gateway: str, state: GatewayState) -> None:
    """As it is now."""
    await put(db, conn, GATEWAY, [_row(workspace, gateway, state)])


async def _read(conn: AsyncConnection, workspace: str, gateway: str, *, lock: bool) -> GatewayState | None:
    def this() -> Select[Any]:
        row = select(GATEWAY).where(GATEWAY.c.workspace == asked("workspace"), GATEWAY.c.gateway == asked("gateway"))
        return row.with_for_update() if lock else row

    rows = await read(conn, ("gate", str(lock)), this, workspace=workspace, gateway=gateway)
    if not rows:
        return None
    row = rows[0]._asdict()
    known = {name: row[name] for name in _PLAIN} | {name: as_moment(row[name]) for name in _MOMENTS}
    return GatewayState(circuit=Circuit(row["circuit"]), **known)


def _row(workspace: str, gateway: str, state: GatewayState) -> Row:
    return {"workspace": workspace, "gateway": gateway} | asdict(state) | {"circuit": state.circuit.value}
