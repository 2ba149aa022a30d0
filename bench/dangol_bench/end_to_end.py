"""End to end: people enter `welcome` by single posts, and their messages arrive at a receiver of this machine."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dangol_bench import shapes
from dangol_bench.children import Child, child, cpu_seconds
from dangol_bench.ground import WRITE, Ground, Home, home
from dangol_bench.model import Bar, Figure, Side, Untrue
from dangol_bench.running import Running, whole
from dangol_bench.shop import shop

CONNECTIONS = 32
WITHIN = 60.0  # seconds for the last message after the last post
BAR = {Side.EMBEDDED: Bar(at_least=1500), Side.PRODUCTION: Bar(at_least=1000)}


@dataclass(frozen=True, slots=True)
class Stage:
    """A running product with its load and its receiver."""

    running: Running
    load: Child
    receiver: Child

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of everybody on it."""
        others = {"load": cpu_seconds(self.load.pid), "receiver": cpu_seconds(self.receiver.pid)}
        return self.running.cpu() | others


@asynccontextmanager
async def stage(ground: Ground, place: Home, way: str) -> AsyncIterator[Stage]:
    """The whole product with the shop's `welcome`, going out by `mail` or by `webhook`."""
    async with child("load") as load, child("receiver") as receiver:
        definitions: Path = shop(place.place / "definitions", way, await receiver.ask(do="ports"))
        async with whole(ground, place, definitions) as running:
            yield Stage(running, load, receiver)


async def measure(ground: Ground) -> Sequence[Figure]:
    """People a second, by both ways."""
    return [await _by(ground, way) for way in ("mail", "webhook")]


async def _by(ground: Ground, way: str) -> Figure:
    people = ground.count(10_000, 1_000, 40)
    async with home(ground) as place, stage(ground, place, way) as on:
        await _enter(on, 1, max(people // 20, 20))  # connections opened, templates read: not counted
        before, posted = on.cpu(), await _post(on, 1_000_000, people)
        arrivals = await arrived(on, range(1_000_000, 1_000_000 + people))
        after = on.cpu()
    last = max(at for _, at in arrivals)
    seconds = (last - posted["sent_at"][0]) / 1e9
    details = {
        "people": people,
        "posts alone, events/s": round(people / ((posted["ended"] - posted["began"]) / 1e9)),
        "CPU seconds per 1,000 people": _per_thousand(before, after, people),
        "CPU seconds used of those there were": _busy(before, after, seconds),
    }
    what = f"end to end: people through `welcome`, by {way}"
    return Figure(what, people / seconds, "people/s", bar=BAR[ground.side], details=details)


async def _enter(on: Stage, first: int, people: int) -> None:
    await _post(on, first, people)
    await arrived(on, range(first, first + people))


async def _post(on: Stage, first: int, people: int) -> Any:
    told = await on.load.ask(
        do="closed",
        port=on.running.port,
        connections=CONNECTIONS,
        requests=people,
        first=first,
        path="/v1/track",
        key=WRITE,
        body=shapes.signed_up("in"),
    )
    if told["refused"]:
        raise Untrue(f"refused: {told['refused'][0]}")
    return told


async def arrived(on: Stage, people: range) -> list[tuple[int, int]]:
    """(person, moment) of each message, once all have come; raises `Untrue` where one is missing or came twice."""
    await on.receiver.ask(do="wait", wanted=len(people), seconds=WITHIN)
    arrivals = [(who, at) for who, at in await on.receiver.ask(do="take")]
    refuse_wrong(Counter(who for who, _ in arrivals), people, WITHIN)
    return arrivals


def refuse_wrong(times: Mapping[int, int], people: Collection[int], within: float) -> None:
    """Raise `Untrue` unless each of these people, and nobody else, was told once."""
    twice = [who for who, count in times.items() if count > 1]
    missing, strangers = set(people) - times.keys(), times.keys() - set(people)
    if twice or missing or strangers:
        raise Untrue(
            f"of {len(people)} messages {len(missing)} did not come within {within:.0f} s, "
            f"{len(twice)} came twice, {len(strangers)} are of others"
        )


def _per_thousand(before: Mapping[str, float], after: Mapping[str, float], people: int) -> dict[str, float]:
    return {name: round((after[name] - before[name]) / people * 1000, 3) for name in after}


def _busy(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> str:
    used = sum(after[name] - before[name] for name in after)
    return f"{used:.1f} of {seconds * (os.cpu_count() or 1):.1f}"
