"""Ingest, one event a request over 32 connections, against a bare FastAPI route that answers the same bytes."""

from collections.abc import Sequence
from typing import Any

from dangol_bench import shapes
from dangol_bench.children import Child, child
from dangol_bench.count import events_in
from dangol_bench.ground import WRITE, Ground, home
from dangol_bench.model import Bar, Figure, Untrue
from dangol_bench.rounds import in_turn
from dangol_bench.running import migrated, role

CONNECTIONS = 32
ASKED = 10_000_000  # numbers of one round: more than it can post


async def measure(ground: Ground) -> Sequence[Figure]:
    """Acknowledged events a second of one ingest process."""
    async with home(ground) as place, child("load") as load, child("bare") as bare:
        await migrated(place)
        async with role(place, "ingest") as (_, port):
            bare_port, accepted = await bare.ask(), 0
            seconds = ground.count(1.5, 0.5, 0.1)

            async def ours(number: int) -> float:
                nonlocal accepted
                told = await post(load, port, shapes.single("one"), number, seconds)
                accepted += told["answered"]
                return rate(told)

            async def theirs(number: int) -> float:
                return rate(await post(load, bare_port, shapes.single("one"), number, seconds))

            pair = await in_turn(ours, theirs, ground.count(8, 3, 1))
        if (kept := await events_in(ground, place)) != accepted:
            raise Untrue(f"ingest answered {accepted} events, and the log has {kept}")
    what = "ingest, one event a request" + (", the role alone" if ground.embedded else "")
    bar = None if ground.embedded else Bar(at_least=0.5)
    details = {"accepted and in the log": accepted, "rounds' ratios": pair.spread}
    return [Figure(what, pair.ours, "events/s", pair.theirs, "a bare FastAPI route", bar, details)]


async def post(load: Child, port: int, body: str, number: int, seconds: float, path: str = "/v1/track") -> Any:
    """One round of posts; raises `Untrue` where any was refused."""
    told = await load.ask(
        do="closed",
        port=port,
        connections=CONNECTIONS,
        seconds=seconds,
        first=number * ASKED,
        path=path,
        key=WRITE,
        body=body,
    )
    if told["refused"]:
        raise Untrue(f"refused: {told['refused'][0]}")
    return told


def rate(told: Any, each: int = 1) -> float:
    """Events a second of a round."""
    return float(told["answered"] * each / (told["ended"] - told["began"]) * 1e9)
