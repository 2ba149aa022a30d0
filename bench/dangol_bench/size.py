"""What an event costs where there is much: a million profiles against ten thousand, 500 live journeys against five."""

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time

from sqlalchemy import text

from dangol.stream import Outgoing
from dangol_bench import crowd
from dangol_bench.children import cpu_seconds
from dangol_bench.ground import Ground, home
from dangol_bench.journey_worker import BATCH, WORKSPACE, known, outgoing
from dangol_bench.model import Bar, Figure, Untrue
from dangol_bench.running import servers_of
from dangol_bench.workshop import Bench, opened
from dangol_journey.pace import FIRST

MODEL = 999_999_999_999
NAMES = 5  # of events that are posted: those of the first five journeys
JOURNEY = """journey: touched-{n}
enter: {{event: Touched {n}, where: event.price > {n}, key: event.cart_id, again: always}}
exit: [{{event: Left {n}, where: event.cart_id == entry.cart_id}}]
goal: {{event: Bought {n}, within: 5d}}
steps:
  - {{wait: 3d}}
  - {{send: note, by: email, within: 6h}}
"""
TEMPLATE = "template: note\ncategory: transactional\nemail: {subject: hello, text: '{{ profile.name }}'}\n"


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one event."""

    wall: float
    cpu: float


@dataclass(slots=True)
class Place:
    """A worker over so many people, and whom it has met: nobody is met twice."""

    bench: Bench
    numbers: list[int]
    servers: Sequence[int]
    met: int = 0

    async def round(self, events: int) -> Cost:
        """The cost of so many events of people chosen by lot."""
        chosen = [self.numbers.pop() for _ in range(events)]
        await self.bench.append([_touched(number) for number in chosen])
        gc.collect()
        wall, cpu = perf_counter(), self._cpu()
        await self.bench.settle(events, FIRST if self.bench.shop.db.dialect == "sqlite" else BATCH)
        wall, cpu = perf_counter() - wall, self._cpu() - cpu
        self.met += events
        await self.bench.relay()
        return Cost(wall / events * 1e6, cpu / events * 1e6)

    async def refuse_missing(self) -> None:
        """Raise `Untrue` unless everybody met is inside."""
        async with self.bench.shop.db.transaction() as conn:
            inside = (await conn.execute(text("SELECT count(*) FROM enrolment"))).scalar_one()
        if inside != self.met:
            raise Untrue(f"of {self.met} events {inside} entered")

    def _cpu(self) -> float:
        """Ours and the database's."""
        return process_time() + sum(cpu_seconds(pid) for pid in self.servers)


async def measure(ground: Ground) -> Sequence[Figure]:
    """Both comparisons."""
    few, many = ground.count(10_000, 5_000, 300), ground.count(1_000_000, 50_000, 600)
    async with _place(ground, few, NAMES) as small, _place(ground, many, NAMES) as large:
        people = await _compared(ground, large, small, f"{many:,} profiles", f"{few:,}", 1.2)
    journeys = ground.count(500, 100, 20)
    async with _place(ground, few, NAMES) as plain, _place(ground, few, journeys) as full:
        return people + await _compared(ground, full, plain, f"{journeys} live journeys", str(NAMES), 1.3)


async def _compared(ground: Ground, ours: Place, theirs: Place, what: str, against: str, most: float) -> list[Figure]:
    events, rounds = ground.count(1_000, 500, 50), ground.count(6, 4, 1)
    costs: list[tuple[Cost, Cost]] = []
    for number in range(rounds + 1):
        both = [ours, theirs] if number % 2 else [theirs, ours]
        took = [await place.round(events) for place in both]
        if number:  # the first of each is not counted
            costs.append((took[0], took[1]) if number % 2 else (took[1], took[0]))
    for place in (ours, theirs):
        await place.refuse_missing()
    details = {"events a round": events, "rounds": rounds}
    return [
        Figure(
            f"an event with {what}, {name}",
            median(kind(one) for one, _ in costs),
            "µs",
            median(kind(other) for _, other in costs),
            f"with {against}",
            Bar(at_most=most),
            details,
        )
        for name, kind in (("wall", _wall), ("CPU of worker and database", _cpu))
    ]


def _wall(cost: Cost) -> float:
    return cost.wall


def _cpu(cost: Cost) -> float:
    return cost.cpu


@asynccontextmanager
async def _place(ground: Ground, people: int, journeys: int) -> AsyncIterator[Place]:
    async with home(ground) as place:
        folder = definitions(place.place, journeys)
        async with opened(place, folder) as bench:
            await bench.append([known(MODEL)])
            await bench.settle(1, 1)
            model = await crowd.model_of(bench.shop.db, f"p{MODEL:012d}")
        await crowd.fill(place, model, crowd.numbered(0, people))
        async with opened(place, folder) as bench:
            pids = [] if ground.embedded else [pid for name, pid in servers_of(ground).items() if name == "postgres"]
            yield Place(bench, Random(7).sample(range(people), min(people, 10_000)), pids)


def _touched(number: int) -> Outgoing:
    properties = {"cart_id": f"c{number}", "price": 39_000, "name": "Linen shirt, navy"}
    return outgoing(f"touched-{number}", number, f"Touched {number % NAMES}", properties, {})


def definitions(place: Path, journeys: int) -> Path:
    """So many journeys in a folder of their own, each of an event of its own."""
    folder = place / "definitions"
    for kind in ("journeys", "templates"):
        (folder / kind).mkdir(parents=True)
    (folder / "workspace.yaml").write_text(WORKSPACE)
    for number in range(journeys):
        (folder / "journeys" / f"touched-{number}.yaml").write_text(JOURNEY.format(n=number))
    (folder / "templates" / "note.yaml").write_text(TEMPLATE)
    return folder
