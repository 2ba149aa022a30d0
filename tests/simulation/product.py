"""The product as processes of the simulation: its own rooms, put together as its mains put them, minus the network."""

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.clock import Clock
from dangol.db import Db
from dangol.definitions import load, number
from dangol.documents import DefinitionSet, Document
from dangol.events import Origin
from dangol.outbox import Outbox
from dangol.service import House
from dangol.settings import Settings, read_settings
from dangol.stream import Stream
from dangol.stream_sqlite import open_sqlite_stream
from dangol_dispatcher import worker as dispatcher
from dangol_dispatcher.desk import Office
from dangol_dispatcher.link_keys import open_sealer
from dangol_dispatcher.model import Gateway
from dangol_dispatcher.published import Published as Rulebooks
from dangol_dispatcher.published import Workspace
from dangol_ingest import segment
from dangol_ingest.intake import Intake
from dangol_ingest.model import Arrival
from dangol_journey import moments
from dangol_journey import worker as journey
from dangol_journey.batch import Workshop
from dangol_journey.journey import Definitions
from dangol_journey.language import compile_definitions
from dangol_journey.main import RULES
from dangol_journey.published import Published
from tests.simulation.disk import Disk
from tests.simulation.process import OF, Process
from tests.simulation.providers import Ledger, open_providers
from tests.simulation.shop import WORKSPACE

# Nobody else writes here and the world pokes when it puts the clock on: idle looks would be most of the month's work.
moments.LOOK_EVERY["sqlite"] = timedelta(seconds=60)
SETTINGS: Settings = read_settings({}, data="/nowhere", link_secret="of the simulation", member="up")
_compiled: dict[tuple[int, ...], Definitions] = {}
_rulebooks: dict[tuple[int, int], dict[str, Workspace]] = {}


class Rulebook(Rulebooks):
    """Compiles each published set once for all processes and seeds: `variant` tells their histories apart."""

    def __init__(self, variant: int) -> None:
        super().__init__(None)  # every channel has a gateway, or none
        self.variant = variant

    async def current(self, conn: AsyncConnection) -> int:
        """See there."""
        in_force = await number(conn)
        known = _rulebooks.get((self.variant, in_force))
        if in_force != self.number and known is not None:
            await number(conn)  # the same statements as who compiled it first: each life has the same doings
            await load(conn)
            self.workspaces, self.number = known, in_force
            self._moved()
            return in_force
        await super().current(conn)
        _rulebooks[self.variant, in_force] = self.workspaces
        return in_force


def compiling(variant: int) -> Any:
    """The journeys' compiler, which remembers."""

    def compile(published: DefinitionSet, older: Iterable[DefinitionSet]) -> Definitions:
        olds = tuple(older)
        key = (variant, published.number, *(one.number for one in olds))
        if key not in _compiled:
            _compiled[key] = compile_definitions(published, olds)
        return _compiled[key]

    return compile


@dataclass
class Product:
    """One life of the product's one process: from its start until it is killed."""

    process: Process
    db: Db
    stream: Stream
    intake: Intake
    office: Office
    journey: journey.Worker
    dispatcher: dispatcher.Worker
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def idle(self) -> bool:
        """Whether all is done that can be done now."""
        now = self.db.clock()
        return await self.journey.idle(now) and await self.dispatcher.idle(now)

    async def keep(self, body: bytes, seed: str, *, secret: bool) -> None:
        """What a post's route does with a body, once its key is known."""
        origin = Origin.SECRET if secret else Origin.SERVER
        arrival = Arrival(WORKSPACE, origin, "key", self.db.clock(), seed)
        await self.intake.keep(segment.many(body), arrival)


async def start(disk: Disk, clock: Clock, ledger: Ledger, variant: int, process: Process) -> Product:
    """A new life of the process, at work. Raises `Unavailable`, and `Killed`."""
    db = Db(disk.engine(process), "sqlite:///simulated", clock, None)
    stream = await open_sqlite_stream(db, clock)
    sealer = await open_sealer(db, SETTINGS)
    shop = Workshop(db, stream, Outbox(db, stream, "journey"), RULES, Published(compiling(variant)))
    house = House(SETTINGS, db, stream, clock)
    published = Rulebook(variant)
    office = Office(db, Outbox(db, stream, dispatcher.GROUP), published, sealer)

    def opener(documents: Sequence[Document], _house: House) -> dict[str, Gateway]:
        channels = {one.name: str(one.body["channel"]) for one in documents}
        return open_providers(process, ledger, channels)

    hands = dispatcher.Worker(house, office, opener)
    published.on_move(hands.moved.set)
    intake = Intake(stream.append, clock, rate=0)
    made = Product(process, db, stream, intake, office, journey.open_worker(shop, "up"), hands)
    for role in (made.journey.run(made.stop), hands.run(made.stop)):
        asyncio.create_task(role).add_done_callback(lambda _ended: process.die())  # as the mains do
    return made


def inside(process: Process, work: Any) -> "asyncio.Task[Any]":
    """A task of that process."""
    context = copy_context()
    context.run(OF.set, process)
    return asyncio.get_running_loop().create_task(work, context=context)
