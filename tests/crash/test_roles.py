"""Every role and server killed, paused, ended and joined under load: nothing is lost, entered twice or repeated.

All tests here share one running product, and what the checker compares is everything since its start. The suite's form
is short; `just crash roles` runs the long one: 50,000 events and 200 kills, broker and PostgreSQL 10 times each.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from math import ceil
from random import Random

import asyncpg
import pytest

from tests.crash.ground import Ground, form
from tests.crash.programs.checker import lines
from tests.support.fleet import Role
from tests.support.product import eventually
from tests.support.server import Server, quietly

FORM = form()
TOGETHER = 0.5  # of the times a server is killed, a role is killed before it is back
ENDS_WITHIN = 30.0  # seconds
DRAINS_WITHIN = 180.0  # seconds: a lease of a dead worker's call is 30 s; the rest is for a crowded machine
OBEYED_WITHIN = 1.0  # seconds, a kill switch by every worker

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_repeated_when_roles_and_servers_are_killed_under_load(production: Ground) -> None:
    """faults P1, P2, A1, B19, B24, C36, D55, D56, D61: kill -9 of every role, of the broker and of PostgreSQL."""
    kills = _kills(production, FORM.chance)
    production.post(FORM.of(120, 10_000), FORM.seed)
    for moment, kill in zip(production.moments(FORM.chance, len(kills)), kills, strict=True):
        production.when_taken(moment)
        kill()
    production.drained(DRAINS_WITHIN)


def _kills(production: Ground, chance: Random) -> list[Callable[[], None]]:
    """Each role as often as the others, each server 10 times in the long form; in an order of chance."""
    roles = list(production.fleet.roles.values())
    times, cuts = max(1, ceil(FORM.of(0, 200) / len(roles))), max(1, FORM.of(1, 10))
    kills: list[Callable[[], None]] = [partial(production.kill, role) for role in roles for _ in range(times)]
    kills += [partial(_cut, production, chance, *server) for server in production.servers() for _ in range(cuts)]
    chance.shuffle(kills)
    return kills


def _cut(production: Ground, chance: Random, name: str, server: Server) -> None:
    with production.cut(name, server):
        if chance.random() < TOGETHER:
            production.kill(chance.choice(list(production.fleet.roles.values())))


@pytest.mark.timeout(600)
def test_case_60_who_wakes_after_another_took_over_repeats_nothing(production: Ground) -> None:
    """faults B21, B22, D60: stopped in its tracks until its partitions are another's, then let go on."""
    for name in ("journey-1", "dispatcher-1"):
        production.post(100, FORM.seed)
        production.when_taken(production.taken() + 20)
        production.fleet.roles[name].pause()
        eventually(partial(_is_nobodys, production, name), 40)
        production.fleet.roles[name].resume()
    production.drained(DRAINS_WITHIN)


def _is_nobodys(production: Ground, member: str) -> bool:
    """Whether every partition of a member has been taken by another."""
    assert production.postgres
    database = production.postgres.url

    async def held() -> int:
        connection = await asyncpg.connect(database, timeout=5)
        count = await connection.fetchval("SELECT count(*) FROM position WHERE owner = $1", member)
        await connection.close()
        return int(count)

    return quietly(held()) == 0


@pytest.mark.timeout(600)
def test_a_broker_and_a_database_that_stand_still_lose_nothing(production: Ground) -> None:
    """faults P2, B22: SIGSTOP under load, for longer than a session in the long form; then all goes on by itself."""
    for name, server in production.servers():
        production.post(100, FORM.seed)
        production.when_taken(production.taken() + 20)
        server.pause()
        try:
            threading.Event().wait(FORM.chance.uniform(15, 30) if FORM.part else 4)
        finally:
            server.resume()
        before = production.taken()
        eventually(lambda before=before: production.taken() > before, 60)  # type: ignore[misc]
        assert server.alive(), name
    production.drained(DRAINS_WITHIN)


@pytest.mark.timeout(600)
def test_roles_that_are_told_to_end_under_load_lose_and_repeat_nothing(production: Ground) -> None:
    """faults F101, F102: SIGTERM to each, once waited for and once followed by SIGKILL a second later.

    The short form takes one of each kind that works.
    """
    roles = production.fleet.roles
    for role in roles.values() if FORM.part else (roles[name] for name in ("ingest", "journey-1", "dispatcher-1")):
        production.post(40, FORM.seed)
        production.when_taken(production.taken() + 10)
        asked = time.monotonic()
        assert role.end() == 0, role.name
        assert time.monotonic() < asked + ENDS_WITHIN, role.name
        role.start()
        production.when_taken(production.taken() + 10)
        role.end_hastily(after=1.0)
        role.start()
    production.drained(DRAINS_WITHIN)


@pytest.mark.timeout(600)
def test_workers_that_join_and_leave_under_load_lose_and_repeat_nothing(production: Ground) -> None:
    """faults B19, B20: a third journey worker comes and goes, in good order or killed, each time a rebalance."""
    third = Role.like(production.fleet.roles["journey-1"], "journey-3")
    for turn in range(FORM.of(2, 12) or 1):
        production.post(60, FORM.seed)
        third.start()
        eventually(lambda: not _is_nobodys(production, "journey-3"), 60)
        production.post(60, FORM.seed)
        production.when_taken(production.taken() + 10)
        if turn % 2:
            third.kill()
        else:
            assert third.end() == 0
    production.drained(DRAINS_WITHIN)


@pytest.mark.timeout(600)
def test_a_kill_switch_stops_both_dispatchers_within_a_second(production: Ground) -> None:
    """faults D75: no call starts later than a second after the switch's 200, though many are queued."""
    production.post(300, FORM.seed)
    production.when_taken(production.taken() + 100)
    _switch(production, on=True)
    turned_at = time.time()
    threading.Event().wait(4)
    still = production.taken()
    late = [at for at in _effects(production) if at > turned_at + OBEYED_WITHIN]
    _switch(production, on=False)
    assert not late
    assert still < production.posted * 2, "nothing was left to stop"
    production.drained(DRAINS_WITHIN)


def _switch(production: Ground, *, on: bool) -> None:
    with production.fleet.product.http as client:
        client.post("/api/switches", json={"switch": "all", "on": on}).raise_for_status()


def _effects(production: Ground) -> list[float]:
    return [one["at"] for ledger in (production.calls, production.mails) for one in lines(ledger.path)]
