"""Dispatcher's part of the HTTP API: messages, consents, switches, coupons, gateways."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from dangol.auth import secret
from dangol.db import in_transaction
from dangol.errors import Invalid, NotFound
from dangol.http import storable
from dangol.keys import Key
from dangol.messages import Channel
from dangol_dispatcher import breaker, coupons, receipts, replay, stating, switches, views
from dangol_dispatcher.desk import Office
from dangol_dispatcher.gates import FRESH, load_gate, save_gate
from dangol_dispatcher.suppressions import release

Reader = Annotated[Key, Depends(secret("messages:read"))]
Writer = Annotated[Key, Depends(secret("messages:write"))]
Shown = dict[str, Any]
MOST_CODES = 100_000  # a request


def open_router(office: Office, ring: Callable[[], None]) -> APIRouter:
    """The routes. `ring` wakes whoever may have something to do by now."""
    router = APIRouter(prefix="/api", dependencies=[Depends(storable)])
    for add in (_messages, _consents, _switches, _coupons, _gateways):
        add(router, office, ring)
    return router


def _messages(router: APIRouter, office: Office, ring: Callable[[], None]) -> None:
    @router.get("/messages")
    async def messages(
        key: Reader,
        user_id: str | None = None,
        journey: str | None = None,
        status: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: str | None = None,
    ) -> Shown:
        """`{messages: [...], next}`, the newest first; `after=next` goes on with older ones, null is the end."""
        wanted = {"user_id": user_id, "journey": journey, "status": status}
        async with office.db.transaction() as conn:
            found = await views.messages(conn, key.workspace, wanted, limit, after)
        return {"messages": found, "next": found[-1]["id"] if len(found) == limit else None}

    @router.get("/messages/{id}")
    async def message(key: Reader, id: str) -> Shown:
        async with office.db.transaction() as conn:
            return await views.message(conn, key.workspace, id)

    @router.post("/messages/{id}/replay")
    async def again(key: Writer, id: str) -> Shown:
        again = await in_transaction(office.db, lambda conn: replay.replay(office.db, conn, key.workspace, id))
        ring()
        return {"id": id, "replayed": again}

    @router.post("/receipts")
    async def receive(key: Writer, request: Request) -> Shown:
        found = receipts.read_receipts(await request.body())
        await in_transaction(
            office.db, lambda conn: receipts.take(office.db, conn, office.outbox, key.workspace, found)
        )
        return {"taken": len(found)}


def _consents(router: APIRouter, office: Office, ring: Callable[[], None]) -> None:
    @router.post("/consents")
    async def state(key: Writer, request: Request) -> Shown:
        said = stating.read_said(await request.body())
        profiles = await in_transaction(
            office.db, lambda conn: stating.state(office.db, conn, office.outbox, key.workspace, said)
        )
        return {"user_id": said.user_id, "recorded": len(profiles) > 0}

    @router.get("/consents")
    async def shown(key: Reader, user_id: str) -> Any:
        async with office.db.transaction() as conn:
            return await stating.shown(conn, key.workspace, user_id)


def _switches(router: APIRouter, office: Office, ring: Callable[[], None]) -> None:
    @router.get("/switches")
    async def on(key: Reader) -> Shown:
        """`{switches: [...]}`: those that are on."""
        async with office.db.transaction() as conn:
            return {"switches": await switches.switches(conn, key.workspace)}

    @router.post("/switches")
    async def turn(key: Writer, switch: Annotated[str, Body()], on: Annotated[bool, Body()]) -> Shown:
        await in_transaction(
            office.db, lambda conn: switches.turn(office.db, conn, key.workspace, switch, key.id, on=on)
        )
        ring()
        return {"switch": switch, "on": on}


def _coupons(router: APIRouter, office: Office, ring: Callable[[], None]) -> None:
    @router.get("/coupons")
    async def pools(key: Reader) -> Shown:
        """`{coupons: [...]}`: the pools, with how many codes they have of each state."""
        async with office.db.transaction() as conn:
            counted = await coupons.counts(conn, key.workspace)
        named = sorted(counted.keys() | office.published.of(key.workspace).rules.pools.keys())
        return {"coupons": [{"coupon": name, **counted.get(name, {})} for name in named]}

    @router.get("/coupons/{pool}")
    async def pool(key: Reader, pool: str) -> Shown:
        async with office.db.transaction() as conn:
            counted = await coupons.counts(conn, key.workspace)
        if pool not in counted and pool not in office.published.of(key.workspace).rules.pools:
            raise NotFound("unknown_coupon", f"no coupon pool {pool}", where="pool")
        return {"coupon": pool, **counted.get(pool, {})}

    @router.post("/coupons/{pool}")
    async def upload(key: Writer, pool: str, codes: Annotated[list[str], Body(embed=True)]) -> Shown:
        if len(codes) > MOST_CODES or any(not code.strip() or len(code) > 256 for code in codes):
            raise Invalid("bad_codes", f"at most {MOST_CODES} codes of 1 to 256 characters", where="codes")
        async with office.db.transaction() as conn:
            now = await office.db.now(conn)
            await coupons.add_codes(office.db, conn, key.workspace, pool, [code.strip() for code in codes], now)
            await coupons.wake(conn, key.workspace, now)
            counted = await coupons.counts(conn, key.workspace)
        ring()
        return {"coupon": pool, **counted.get(pool, {})}


def _gateways(router: APIRouter, office: Office, ring: Callable[[], None]) -> None:
    @router.get("/gateways")
    async def gateways(key: Reader) -> Shown:
        """`{gateways: [...]}`: each with its state, and why it is paused."""
        async with office.db.transaction() as conn:
            await office.published.current(conn)
            rules = office.published.of(key.workspace).rules
            named = [(rule.name, rule.channel, rule.kind) for rule in rules.gateways.values()]
            if rules.default_gateway:
                named.append((rules.default_gateway, "", "inbox"))
            now = await office.db.now(conn)
            shown = []
            for name, channel, kind in named:
                state = await load_gate(conn, key.workspace, name)
                shown.append(_gateway(name, channel, kind, state, open=breaker.allowance(state, 1, now) > 0))
        return {"gateways": shown}

    @router.post("/gateways/{name}/resume")
    async def resume(key: Writer, name: str, response: Response) -> Shown:
        async with office.db.transaction() as conn:
            await save_gate(office.db, conn, key.workspace, name, FRESH)
            await release(office.db, conn, key.workspace, (Channel.WEBHOOK, name))
        ring()
        return {"gateway": name, "state": "open"}


def _gateway(name: str, channel: str, kind: str, state: breaker.GatewayState, *, open: bool) -> Shown:
    word = "paused" if state.paused else ("open" if open else "resting")
    moments = {"retry_at": state.retry_at, "throttled_until": state.throttled_until}
    return {
        "gateway": name,
        "channel": channel,
        "kind": kind,
        "state": word,
        "circuit": state.circuit.value,
        "failures": state.failures,
        "why": state.paused,
    } | {name: at.isoformat() if at else None for name, at in moments.items()}
