"""Event → message: one person at a time, ten a second, from just before the post to the message at the receiver."""

from collections.abc import Sequence

from dangol_bench import shapes
from dangol_bench.end_to_end import arrived, stage
from dangol_bench.ground import WRITE, Ground, Home, home
from dangol_bench.logged import events_posted, messages_in
from dangol_bench.model import Bar, Figure, Side, Untrue

RATE = 10  # people a second
CONNECTIONS = 16
BARS = {
    Side.EMBEDDED: {"p50": Bar(at_most=25), "p99": Bar(at_most=100)},
    Side.PRODUCTION: {"p50": Bar(at_most=50), "p99": Bar(at_most=200)},
}


async def measure(ground: Ground) -> Sequence[Figure]:
    """p50 and p99, by both ways."""
    return [figure for way in ("mail", "webhook") for figure in await _by(ground, way)]


async def _by(ground: Ground, way: str) -> Sequence[Figure]:
    people, warm = ground.count(300, 40, 10), ground.count(50, 20, 5)
    async with home(ground) as place:
        sent_at, answered, arrivals = await _timed(ground, place, way, warm + people)
        hops = await _hops(ground, place, sent_at)
    took = sorted((at - sent_at[who]) / 1e6 for who, at in arrivals if who >= warm)
    details = {
        "people": people,
        "mean, ms": round(sum(took) / len(took), 1),
        "max, ms": round(took[-1], 1),
        "p50 from the post, ms": {"answered": answered, **hops, "at the receiver": round(share(took, 0.5), 1)},
    }
    what = f"event → message at the receiver by {way}, {RATE} a second"
    return [
        Figure(f"{what}: {name}", round(share(took, part), 2), "ms", bar=BARS[ground.side][name], details=details)
        for name, part in (("p50", 0.50), ("p99", 0.99))
    ]


async def _timed(ground: Ground, place: Home, way: str, people: int) -> tuple[list[int], float, list[tuple[int, int]]]:
    """When each was posted, the answers' p50 in milliseconds, and when the messages arrived."""
    async with stage(ground, place, way) as on:
        told = await on.load.ask(
            do="paced",
            port=on.running.port,
            connections=CONNECTIONS,
            rate=RATE,
            requests=people,
            first=0,
            path="/v1/track",
            key=WRITE,
            body=shapes.signed_up("in"),
        )
        if told["refused"]:
            raise Untrue(f"refused: {told['refused'][0]}")
        arrivals = await arrived(on, range(people))
    return told["sent_at"], round(share(told["took"], 0.5) / 1e6, 1), arrivals


async def _hops(ground: Ground, place: Home, sent_at: Sequence[int]) -> dict[str, float]:
    """By the log's own moments, which a transaction takes before it commits; Kafka's are whole milliseconds."""
    both = {
        "event in the log": await events_posted(ground, place, "Signed Up"),
        "message in the log": await messages_in(ground, place),
    }
    return {
        name: round(share(sorted(at.timestamp() * 1e3 - sent_at[who] / 1e6 for who, at in moments.items()), 0.5), 1)
        for name, moments in both.items()
    }


def share(ordered: Sequence[float], part: float) -> float:
    """The value that `part` of them are at most (the nearest above)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
