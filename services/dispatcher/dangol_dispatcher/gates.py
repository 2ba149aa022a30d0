"""What all workers know of gateways, in the database: circuits, throttling, pauses."""

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol_dispatcher.breaker import Circuit, GatewayState
from dangol_dispatcher.rows import GATEWAY, put

FRESH = GatewayState()


async def load_gate(conn: AsyncConnection, workspace: str, gateway: str, *, lock: bool = False) -> GatewayState:
    """The state of a gateway; one nothing happened to has no row."""
    rows = select(GATEWAY).where(GATEWAY.c.workspace == workspace, GATEWAY.c.gateway == gateway)
    row = (await conn.execute(rows.with_for_update() if lock else rows)).mappings().first()
    if row is None:
        return FRESH
    known = {name: row[name] for name in asdict(FRESH) if name != "circuit"}
    return GatewayState(circuit=Circuit(row["circuit"]), **known)


async def save_gate(db: Db, conn: AsyncConnection, workspace: str, gateway: str, state: GatewayState) -> None:
    """As it is now."""
    kept = asdict(state) | {"circuit": state.circuit.value}
    await put(db, conn, GATEWAY, [{"workspace": workspace, "gateway": gateway} | kept])
