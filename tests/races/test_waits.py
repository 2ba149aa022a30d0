"""An event and the moment of the wait it would end, microseconds apart: exactly one of the two ways is taken.

What the log took before the moment is heard before the moment fires; from the moment on it is the wait's own way.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dangol.codec import decode_event
from dangol.topics import Topic
from tests.contract.conftest import Ground, another, now
from tests.support.journeys import after, definitions, journey, on, send, wait
from tests.support.racing import TIMES, chance
from tests.support.working import eventually, records_in, working
from tests.support.workshops import did, record_of, rows, workshop

PEOPLE, ROUNDS = 60, TIMES
AT_MOST = 5  # rounds more, where a slow machine made every event late
SPAN = timedelta(seconds=1)
APART = timedelta(milliseconds=5)
LOOK = journey("look", "Signed Up", wait("look", on("Page Viewed", "hi"), after(SPAN, "bye")), send("hi"), send("bye"))


@dataclass(frozen=True)
class Trial:
    """One person: when the wait is over, and when the event is sent off. `at`: what it says of itself, if not that."""

    user: str
    due: datetime
    sent_at: datetime
    at: datetime | None = None

    @property
    def began(self) -> datetime:
        """When the wait began."""
        return self.due - SPAN


def trials(turn: int) -> list[Trial]:
    """People whose moments follow each other, each with an event a few milliseconds off, or of the very moment."""
    seeded, first = chance(f"waits {turn}"), now() + SPAN - APART * PEOPLE / 2
    found = []
    for n in range(PEOPLE):
        due = first + n * APART + timedelta(microseconds=seeded.randrange(1000))
        off = timedelta(microseconds=seeded.randrange(-15_000, 4_000))
        user = f"r{turn}-{n}"
        found.append(Trial(user, due, due, due) if n % 5 == 0 else Trial(user, due, due + off))
    return found


async def run(ground: Ground, turn: int) -> dict[str, tuple[Trial, datetime]]:
    """Sign all up, and send each its event at its time; with each trial, when the log had acknowledged it."""
    given = {trial.user: trial for trial in trials(turn)}
    acknowledged: dict[str, datetime] = {}
    entries = [record_of(did("Signed Up", user=one.user, at=one.began)) for one in given.values()]
    await ground.stream.append(entries)

    async def view(trial: Trial) -> None:
        await asyncio.sleep(max(0.0, (trial.sent_at - now()).total_seconds() - 0.002))
        while now() < trial.sent_at:  # noqa: ASYNC110 - to the microsecond
            await asyncio.sleep(0)
        at = trial.at or now()
        await ground.stream.append([record_of(did("Page Viewed", user=trial.user, at=at))])
        acknowledged[trial.user] = now()

    await asyncio.gather(*(view(trial) for trial in given.values()))
    return {user: (trial, acknowledged[user]) for user, trial in given.items()}


async def taken(ground: Ground, count: int) -> dict[str, tuple[datetime, datetime]]:
    """Each person's event: the moment it says of itself, and the latest at which the log may have taken it."""
    records = await records_in(ground.stream, Topic.EVENTS, count)
    told = [(decode_event(record.value), record.at) for record in records]
    blur = timedelta(0) if ground.db.dialect == "sqlite" else timedelta(milliseconds=1)  # Kafka tells milliseconds
    return {event.user_id or "": (event.at, at + blur) for event, at in told if event.name == "Page Viewed"}


async def ways(ground: Ground) -> dict[str, dict[str, Any]]:
    """Each person's visits of the journey's states."""
    found = await rows(
        ground.db,
        "SELECT i.value, e.state FROM enrolment e JOIN identity i ON i.profile = e.profile AND i.kind = 'user'",
    )
    return {user: msgspec.json.decode(state)["visits"] for user, state in found}


async def all_went_on(ground: Ground, count: int) -> dict[str, dict[str, Any]]:
    """Each person's visits, once so many have left their wait."""

    async def done() -> bool:
        return await rows(ground.db, "SELECT count(*) FROM enrolment WHERE step <> 'look'") == [(count,)]

    await eventually(done)
    return await ways(ground)


async def test_an_event_at_the_moment_of_the_wait_it_ends_takes_exactly_one_way(ground: Ground) -> None:
    """Caught: a moment that fires by the clock alone; `hear` that takes what comes at the moment itself."""
    defined = definitions(LOOK)
    given: dict[str, tuple[Trial, datetime]] = {}
    went: dict[str, dict[str, Any]] = {}
    async with another(ground) as second:
        shops = workshop(ground.db, ground.stream, defined), workshop(second.db, second.stream, defined)
        async with working(shops[0], "m1"), working(shops[1], "m2"):
            for turn in range(ROUNDS + AT_MOST):
                given |= await run(ground, turn)
                went = await all_went_on(ground, len(given))
                heard = sum("hi" in visits for visits in went.values())
                if turn >= ROUNDS - 1 and 0 < heard < len(went):
                    break
            told = await taken(ground, 2 * len(given))
    assert 0 < heard < len(went), "the race is no race"
    for user, (trial, acknowledged) in given.items():
        (way,) = {"hi", "bye"} & went[user].keys()  # one of the two: never both, never neither
        assert went[user] == {"look": 1, way: 1}
        at, log_took = told[user]
        if at >= trial.due:
            assert way == "bye", f"{user}: from the moment on it is the wait's own way"
        elif min(log_took, acknowledged) < trial.due:
            assert way == "hi", f"{user}: the log had it {trial.due - log_took} before the moment"
