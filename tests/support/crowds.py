"""Many dispatcher workers at one queue, some of which die between the claim and the record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from dangol.documents import Document
from dangol.errors import Unavailable
from dangol_dispatcher.claims import Round
from dangol_dispatcher.considering import Counter
from dangol_dispatcher.desk import Desk
from dangol_dispatcher.model import Claimed, Outcome
from tests.support.dispatching import WORKSPACE, Shop, ToldGateway, open_shop
from tests.support.sides import open_side

CHANNELS = ("email", "sms", "push")
OVER = timedelta(seconds=0.5)  # what is due later than this is not worked for


@dataclass
class DyingGateway(ToldGateway):
    """Takes what it is handed; whoever called it may die before the answer is recorded."""

    fate: Random = field(default_factory=Random)
    dies: float = 0.0

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Write them down and answer, unless the caller is dead by then."""
        answers = await super().send_many(claimed)
        if self.fate.random() < self.dies:
            task = asyncio.current_task()
            assert task
            task.cancel()
            await asyncio.sleep(0)
        return answers


class DyingDesk(Desk):
    """A desk that may die between the claim's commit and the call."""

    fate: Random
    dies = 0.0

    def _start(self, counter: Counter, this: Round | None) -> None:
        if self.fate.random() >= self.dies:
            super()._start(counter, this)


def three_gates(fate: Random | None = None, dies: float = 0.0) -> list[DyingGateway]:
    """A gateway for each channel."""
    return [DyingGateway(f"{one}-gate", one, batch=10, fate=fate or Random(0), dies=dies) for one in CHANNELS]


async def crowd(
    shops: Sequence[Shop], gateways: Sequence[ToldGateway], each: int, fate: Random | None = None, dies: float = 0.0
) -> None:
    """So many desks a gateway, spread over the shops, all at once, until nothing is due at any."""
    desks = []
    for n in range(each):
        for gateway in gateways:
            desk = DyingDesk(shops[n % len(shops)].office, WORKSPACE, gateway.name, gateway)
            desk.fate, desk.dies = fate or Random(0), dies
            desks.append(desk)

    async def until_done(desk: Desk) -> None:
        for _ in range(400):
            try:
                until = await desk.step()
            except Unavailable:  # as `run`: on a slow machine the server ends a transaction that is idle for long
                await asyncio.sleep(0.1)
                continue
            await desk.drain()
            if until is None or until > shops[0].clock() + OVER:
                return
            await asyncio.sleep(0.1)  # another is at it

    await asyncio.gather(*(until_done(desk) for desk in desks))


@asynccontextmanager
async def open_shops(url: str, published: Sequence[Document]) -> AsyncIterator[list[Shop]]:
    """The shop as two processes have it, each with connections of its own; one alone may have a SQLite file."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_side(url, published))
        if url.startswith("sqlite"):
            yield [first]
            return
        yield [first, await stack.enter_async_context(open_shop(url, first.clock, published))]
