"""Ingest, 100 events a request over 32 connections, against an awaited loop that writes the same bytes by itself."""

from collections.abc import Sequence
from typing import Any

from dangol_bench import shapes
from dangol_bench.children import child
from dangol_bench.count import events_in
from dangol_bench.ground import Ground, Home, home
from dangol_bench.ingest_single import post, rate
from dangol_bench.model import Bar, Figure, Untrue
from dangol_bench.rounds import in_turn
from dangol_bench.running import migrated, role

EACH = 100


async def measure(ground: Ground) -> Sequence[Figure]:
    """Acknowledged events a second of one ingest process, and of two at one port where the log lets two write."""
    return [await _measured(ground, processes) for processes in ((1,) if ground.embedded else (1, 2))]


async def _measured(ground: Ground, processes: int) -> Figure:
    async with home(ground) as place, child("load") as load, child("appending") as appending:
        await migrated(place)
        async with role(place, "ingest", processes) as (_, port):
            accepted, seconds = 0, ground.count(1.5, 0.5, 0.1)
            body, reference = shapes.batch("many", EACH), _reference(ground, place)

            async def ours(number: int) -> float:
                nonlocal accepted
                told = await post(load, port, body, number, seconds, "/v1/batch")
                accepted += told["answered"] * EACH
                return rate(told, EACH)

            async def theirs(_number: int) -> float:
                return float(await appending.ask(**reference, each=EACH, seconds=seconds))

            pair = await in_turn(ours, theirs, ground.count(8, 3, 1))
        if (kept := await events_in(ground, place)) != accepted:
            raise Untrue(f"ingest answered {accepted} events, and the log has {kept}")
    what = f"ingest, {EACH} events a request" + (", the role alone" if ground.embedded else "")
    what += f", {processes} processes at one port" if processes > 1 else ""
    against = "an INSERT loop, a commit 3,200 records" if ground.embedded else "an awaited send_batch loop"
    bar = None if ground.embedded or processes > 1 else Bar(at_least=0.6)
    details = {"accepted and in the log": accepted, "rounds' ratios": pair.spread}
    return Figure(what, pair.ours, "events/s", pair.theirs, against, bar, details)


def _reference(ground: Ground, place: Home) -> dict[str, Any]:
    """It writes beside the product: to a file of its own, to a topic that nobody counts."""
    if ground.embedded:
        return {"do": "sqlite", "path": str(place.place / "reference.db")}
    return {"do": "kafka", "servers": place.log.partition("://")[2], "topic": f"{place.prefix}messages"}
