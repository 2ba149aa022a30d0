"""The journey worker on 1,000-event batches, every event touching state, setting a moment and asking for a message,
against the bare SQL of the same effects."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from sqlalchemy import text

from dangol.clock import utc_now
from dangol.codec import encode
from dangol.events import Event, key_of
from dangol.outbox import unpacked
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_bench.ground import Ground, home
from dangol_bench.model import Bar, Figure, Untrue
from dangol_bench.rounds import in_turn
from dangol_bench.six_effects import Effects, Texts, open_effects
from dangol_bench.workshop import Bench, opened

BATCH = 1_000
JOURNEY = """journey: touched
enter: {event: Touched, where: event.price > 100, key: event.cart_id, again: always}
steps:
  - {send: note, by: email, within: 6h}
  - {wait: 3d}
  - {send: note, by: email, as: later}
"""
WORKSPACE = "workspace: default\nzone: Asia/Seoul\nsender: {name: shop, email: a@bench.test}\n"
TEMPLATE = """template: note
category: transactional
email: {subject: hello, text: '{{ profile.name }}: {{ event.name }}'}
"""
SAID = {
    "sqlite": "SELECT value FROM logged WHERE topic = 'messages' ORDER BY id DESC LIMIT 1",
    "postgresql": "SELECT records FROM unsent",
}


async def measure(ground: Ground) -> Sequence[Figure]:
    """People a second through the worker's transactions; and with the relay to the log besides."""
    async with home(ground) as place, opened(place, definitions(place.place)) as bench:
        rounds, people = ground.count(6, 3, 1), ground.count(2 * BATCH, BATCH, 50)
        known_ones = ((rounds + 1) * 2 + 1) * people
        await bench.append([known(number) for number in range(known_ones)])
        await bench.settle(known_ones, BATCH)
        own = bench.worker.handler.pace.size  # what it would take by itself, from what it has learned so far
        sizes = [BATCH] if own == BATCH else [BATCH, own]
        turns = (rounds + 1) * len(sizes) + 1
        reference = await open_effects(place.db)
        try:
            race = _Race(bench, reference, await _texts(bench, people), people)
            await reference.seed([user(number) for number in range(turns * people)], race.texts)
            figures = [await race.figure(size, 1 + turn * (rounds + 1), rounds) for turn, size in enumerate(sizes)]
        finally:
            await reference.close()
        await _refuse_missing(bench, known_ones, turns * people)
        return figures


@dataclass(slots=True)
class _Race:
    """The worker and its reference over people of their own, others in each round."""

    bench: Bench
    reference: Effects
    texts: Texts
    people: int
    relaying: float = 0.0  # seconds of publishing, beside what is measured
    settling: float = 0.0

    async def figure(self, at_most: int, base: int, rounds: int) -> Figure:
        """So many rounds of both, with batches of at most so many records for the worker."""
        self.relaying = self.settling = 0.0
        pair = await in_turn(
            lambda number: self._ours(base + number, at_most), lambda number: self._theirs(base + number), rounds
        )
        details: dict[str, object] = {"people a round": self.people, "rounds' ratios": pair.spread}
        if self.relaying > 0.01 * self.settling:
            details["with publishing, events/s"] = round(pair.ours * self.settling / (self.settling + self.relaying))
        what, bar = f"journey worker, {at_most:,}-event batches", Bar(at_least=0.4) if at_most == BATCH else None
        return Figure(what, pair.ours, "events/s", pair.theirs, "bare SQL of six effects", bar, details)

    async def _ours(self, turn: int, at_most: int) -> float:
        await self.bench.append(_touches(turn, self.people))
        gc.collect()
        began = perf_counter()
        await self.bench.settle(self.people, at_most)
        settled = perf_counter()
        await self.bench.relay()
        self.settling += settled - began
        self.relaying += perf_counter() - settled
        return self.people / (settled - began)

    async def _theirs(self, turn: int) -> float:
        names = [user(number) for number in range(turn * self.people, (turn + 1) * self.people)]
        began = perf_counter()
        for start in range(0, self.people, BATCH):
            await self.reference.batch(names[start : start + BATCH], self.texts)
        return self.people / (perf_counter() - began)


async def _texts(bench: Bench, people: int) -> Texts:
    """What the product writes for one person of these, taken from its own tables and topic."""
    await bench.append(_touches(0, people))
    await bench.settle(people, BATCH)
    async with bench.shop.db.transaction() as conn:
        person = (await conn.execute(text("SELECT state FROM profile LIMIT 1"))).scalar_one()
        enrolment = (await conn.execute(text("SELECT state FROM enrolment LIMIT 1"))).scalar_one()
        said = [bytes(row[0]) for row in await conn.execute(text(SAID[bench.shop.db.dialect]))]
    messages = said if bench.shop.db.dialect == "sqlite" else [one.value for one in _bundled(said)]
    await bench.relay()
    return Texts(person, enrolment, messages[-1])


def _bundled(bundles: Sequence[bytes]) -> list[Outgoing]:
    return [one for bundle in bundles for one in unpacked(bundle) if one.topic == Topic.MESSAGES]


async def _refuse_missing(bench: Bench, known_ones: int, people: int) -> None:
    async with bench.shop.db.transaction() as conn:
        seen = (await conn.execute(text("SELECT count(*) FROM seen_id"))).scalar_one()
        inside = (await conn.execute(text("SELECT count(*) FROM enrolment"))).scalar_one()
    events = known_ones + people
    if seen != events or inside != people:
        raise Untrue(f"of {people} people {inside} entered, and {seen} of {events} events are remembered")


def user(number: int) -> str:
    """A person's user id."""
    return f"p{number:012d}"


def _touches(turn: int, people: int) -> list[Outgoing]:
    return [touched(number) for number in range(turn * people, (turn + 1) * people)]


def known(number: int) -> Outgoing:
    """A person told of, before anything is timed."""
    traits = {"name": "김단골", "email": f"{user(number)}@bench.test", "visits": 3}
    return outgoing(f"known-{number}", number, "Identified", {}, traits)


def touched(number: int) -> Outgoing:
    """The event that is timed: a person enters the journey with a cart of its own."""
    properties = {"cart_id": f"c{number}", "price": 39_000, "name": "Linen shirt, navy", "category": "shirts"}
    return outgoing(f"touched-{number}", number, "Touched", properties, {})


def outgoing(id: str, number: int, name: str, properties: dict[str, object], traits: dict[str, object]) -> Outgoing:
    """An event of a person as a record for the log, as ingest writes it."""
    now = utc_now()
    event = Event(
        workspace="default",
        id=id,
        name=name,
        user_id=user(number),
        properties=properties,
        traits=traits,
        at=now,
        received_at=now,
        body_hash=id,
    )
    return Outgoing(Topic.EVENTS, key_of(event), encode(event), id)


def definitions(place: Path) -> Path:
    """The journey in a folder of its own."""
    folder = place / "definitions"
    for kind in ("journeys", "templates"):
        (folder / kind).mkdir(parents=True)
    (folder / "workspace.yaml").write_text(WORKSPACE)
    (folder / "journeys" / "touched.yaml").write_text(JOURNEY)
    (folder / "templates" / "note.yaml").write_text(TEMPLATE)
    return folder
