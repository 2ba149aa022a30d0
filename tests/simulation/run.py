"""A seed played from its beginning to its end: the month, the faults, the calm after them, and what was found wrong."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import pairwise
from random import Random
from traceback import format_exc
from typing import Any

import structlog

from tests.simulation.checks import everything_wrong
from tests.simulation.disk import Trouble
from tests.simulation.loop import VirtualLoop
from tests.simulation.people import DAYS, Post, lives
from tests.simulation.process import Killed
from tests.simulation.scenes import rush
from tests.simulation.shop import START
from tests.simulation.world import World

PEOPLE = 200
TOGETHER = (timedelta(0), timedelta(seconds=3), timedelta(seconds=3))  # what comes so close is posted in one
RUSHING, CROWD = 0.3, 10  # so many of the waves in which more than so many post
NOES = ("withdrawn", "withdrawn", "silenced", "")
FAULTY = 0.8  # of the seeds
TIMES = 6  # something befalls, at most
LASTING = (timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=13))  # until all is well again
AFTER = timedelta(days=12)  # of calm, after which nobody may be waiting any more
# A log line of these says that the product met something it did not expect.
BUGS = frozenset({"batch_raised", "handover_raised", "bad_record", "record_skipped"})


@dataclass(slots=True)
class Outcome:
    """What became of a seed. `trace` says it line by line; two runs of a seed have the same."""

    seed: int
    trace: list[str]
    wrong: list[str]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Of the trace."""
        return sha256("\n".join(self.trace).encode()).hexdigest()[:16]


def simulate(seed: int, people: int = PEOPLE) -> Outcome:
    """Play a seed."""
    loop = VirtualLoop()
    random.seed(seed)  # jitter of the product's own pauses
    world = World(seed, Random(f"world {seed}"), loop)
    with _hearing(partial(_hear, world)):
        try:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(_play(world, people))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    wrong = [*world.bugs, *loop.unseen, *everything_wrong(world)]
    return Outcome(seed, world.trace, wrong, _counts(world))


async def _play(world: World, people: int) -> None:
    _arrange(world, lives(world.seed, people))
    await world.live(START + timedelta(days=DAYS))
    world.calm()
    await world.live(START + timedelta(days=DAYS) + AFTER)
    await _close(world)


def _arrange(world: World, posts: Sequence[Post]) -> None:
    """People post in waves; faults come with some of them, or with what a wave leads to a day later."""
    chance = world.chance
    just: dict[datetime, list[Post]] = defaultdict(list)
    for post in posts:
        if post.just:
            just[post.at].append(post)
    for moment, theirs in just.items():
        world.at(moment, partial(rush, world, theirs, chance.choice(NOES)))
    waves = _waves([post for post in posts if not post.just], chance.choice(TOGETHER))
    for wave in waves:
        cuts = sorted(chance.sample(range(len(wave) + 1), min(chance.choice((0, 0, 0, 1)), len(wave))))
        for first, last in pairwise([0, *cuts, len(wave)]):
            if first < last:  # what is posted has happened
                post, some = wave[last - 1], wave[first:last]
                rushing = len(some) > CROWD and chance.random() < RUSHING
                act = partial(rush, world, some, chance.choice(NOES)) if rushing else partial(world.post, some)
                world.at(post.at, act)
    for wave in chance.sample(waves, min(len(waves), TIMES)) if chance.random() < FAULTY else ():
        moment = wave[-1].at + chance.choice(ECHOES) - timedelta(milliseconds=1)
        world.at(moment, partial(_befalls, world, chance.choice(FAULTS)))
        world.at(moment + chance.choice(LASTING), partial(_befalls, world, "calm"))


def _waves(posts: Sequence[Post], together: timedelta) -> list[list[Post]]:
    """Posts that come together."""
    waves: list[list[Post]] = []
    for post in posts:
        if not waves or post.at > waves[-1][0].at + together:
            waves.append([])
        waves[-1].append(post)
    return waves


async def _befalls(world: World, fault: str) -> None:
    """One fault begins, or ends."""
    world.note(f"fault {fault}")
    world.faults += fault != "calm"
    match fault:
        case "kill" if world.product:
            world.product.process.fuse = world.chance.randint(1, 400)
        case "disk":
            world.storm(Trouble(*(world.chance.choice((0, 0.01, 0.05)) for _ in range(3))))
        case "weather":
            world.ledger.bad_weather = True
        case "all":
            world.ledger.bad_weather = True
            world.storm(Trouble(0.02, 0.02, 0.02))
        case _:
            world.calm()


ECHOES = (timedelta(0), timedelta(0), timedelta(hours=12), timedelta(hours=24))
FAULTS = ("kill", "kill", "kill", "disk", "weather", "weather", "all")


async def _close(world: World) -> None:
    if world.product:
        world.product.process.on_death = lambda _process: None
        world.disk.forsake(world.product.process)
        await world.product.process.bury()


class _hearing:  # noqa: N801 - a context, named by what is done in it
    """The product's log lines go to `hear` instead of anybody's terminal."""

    def __init__(self, hear: Any) -> None:
        self._hear = hear

    def __enter__(self) -> None:
        self._before = structlog.get_config()
        structlog.configure(
            processors=[self._hear], wrapper_class=structlog.make_filtering_bound_logger(30), logger_factory=_Nobody
        )

    def __exit__(self, *_error: object) -> None:
        structlog.configure(**self._before)


class _Nobody:
    """A logger that prints nothing."""

    def __init__(self, *_args: object) -> None: ...

    def msg(self, *_args: object, **_more: object) -> None:
        """Nothing."""

    warning = error = exception = critical = msg


def _hear(world: World, _logger: object, method: str, said: dict[str, Any]) -> str:
    world.note(f"log {said.get('action')} {said.get('event')} {said.get('error', '')}".replace("\n", " ")[:300])
    if said.get("action") in BUGS and not isinstance(said.get("exc_info"), Killed):
        world.bugs.append(f"the product raised: {said} {format_exc()}")
    raise structlog.DropEvent


def _counts(world: World) -> dict[str, int]:
    return {
        "accepted": len(world.accepted),
        "lives": world.lives,
        "calls": len(world.ledger.calls),
        "taken": sum(call.taken_at is not None for call in world.ledger.calls),
        "withdrawn": len(world.refused),
        "silences": len(world.silences),
        "commits": world.disk.commits,
    }
