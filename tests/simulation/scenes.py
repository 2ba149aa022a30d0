"""Scenes in which much happens at once: posts just ahead of moments on a slow disk, somebody says no between a claim
and its call."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import in_transaction
from dangol.errors import Unavailable
from dangol_dispatcher import stating, switches
from tests.simulation.disk import SLOW
from tests.simulation.people import Post
from tests.simulation.process import Killed
from tests.simulation.product import Product, inside
from tests.simulation.shop import WORKSPACE
from tests.simulation.world import World

Work = Callable[[Product, AsyncConnection], Awaitable[object]]
STEPS = 150  # of a millisecond
CLAIMED = """SELECT m.id, i.value FROM message m JOIN identity i ON i.profile = m.profile AND i.kind = 'user'
    WHERE m.workspace = 'default' AND m.status = 'claimed' AND m.category = 'marketing' ORDER BY m.id LIMIT 1"""


async def rush(world: World, posts: list[Post], noes: str) -> None:
    """People post while each commit takes its time; what is claimed meanwhile is `withdrawn` or `silenced` once."""
    world.note(f"rush {len(posts)} {noes}")
    world.disk.slow = 1.0
    await world.post(posts)
    for _ in range(STEPS):
        await asyncio.sleep(0.001)
        world.poke()
        claimed = world.disk.raw.execute(CLAIMED).fetchone() if noes else None
        if claimed:
            work = _withdrawn(world, claimed[1]) if noes == "withdrawn" else _silenced(world)
            world.loop.create_task(work)
            noes = ""
    world.disk.slow = SLOW


async def _withdrawn(world: World, user: str) -> None:
    """Somebody says no to all adverts on a page, which answers."""
    said = stating.Said(user_id=user, granted=False, id=f"page-{world.now().isoformat()}")
    at = await _answered(
        world, lambda product, conn: stating.state(product.db, conn, product.office.outbox, WORKSPACE, said)
    )
    if at:
        world.note(f"withdrawn {user}")
        world.refused.append((user, at))


async def _silenced(world: World) -> None:
    """An operator turns everything off, and a second later on again."""
    if world.silenced:
        return
    world.silenced = True
    world.posting += 1  # the world is not at rest before it is on again
    try:
        await _off_and_on(world)
    finally:
        world.posting -= 1
        world.silenced = False


async def _off_and_on(world: World) -> None:
    off = await _answered(world, partial(_turn, on=True))
    await asyncio.sleep(1)
    until = world.now()
    for _ in range(200):  # an operator insists
        if await _answered(world, partial(_turn, on=False)):
            break
        await asyncio.sleep(0.5)
    if off:
        world.note("silenced")
        world.silences.append((off, until))
    if world.product:
        world.product.dispatcher.ring()


async def _turn(product: Product, conn: AsyncConnection, *, on: bool) -> None:
    await switches.turn(product.db, conn, WORKSPACE, "all", "operator", on=on)


async def _answered(world: World, work: Work) -> datetime | None:
    """Done in a transaction of the product's, as its routes do it: when that was answered; None where it was not."""
    product = world.product
    if product is None or product.process.dead:
        return None
    try:
        await inside(product.process, in_transaction(product.db, partial(work, product)))
    except (Unavailable, Killed, asyncio.CancelledError):
        return None
    return world.now()
