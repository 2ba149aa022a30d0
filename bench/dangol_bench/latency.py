"""Event → message: one person at a time, ten a second, from just before the post to the message at the receiver."""

from collections.abc import Sequence

from dangol_bench import shapes
from dangol_bench.end_to_end import arrived, stage
from dangol_bench.ground import WRITE, Ground
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
    async with stage(ground, way) as on:
        told = await on.load.ask(
            do="paced",
            port=on.running.port,
            connections=CONNECTIONS,
            rate=RATE,
            requests=warm + people,
            first=0,
            path="/v1/track",
            key=WRITE,
            body=shapes.signed_up("in"),
        )
        if told["refused"]:
            raise Untrue(f"refused: {told['refused'][0]}")
        arrivals = await arrived(on, range(warm + people))
    sent_at = told["sent_at"]
    took = sorted((at - sent_at[who]) / 1e6 for who, at in arrivals if who >= warm)
    answered = told["took"]
    details = {
        "people": people,
        "mean": round(sum(took) / len(took), 1),
        "max": round(took[-1], 1),
        "post answered, p50": round(answered[len(answered) // 2] / 1e6, 1),
    }
    bars = BARS[ground.side]
    what = f"event → message at the receiver by {way}, {RATE} a second"
    return [
        Figure(f"{what}: {name}", round(share(took, part), 2), "ms", bar=bars[name], details=details)
        for name, part in (("p50", 0.50), ("p99", 0.99))
    ]


def share(ordered: Sequence[float], part: float) -> float:
    """The value that `part` of them are at most (the nearest above)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
