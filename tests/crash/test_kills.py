"""Processes and servers killed under load: no accepted event is lost, nobody enters twice, no effect is repeated.

What the product did is written down by others: a poster of what was accepted, a receiver of what it was called for.
The suite's form is one round; `DANGOL_KILLS=20 DANGOL_SEED=7` makes it twenty, at other moments.
"""

import os
from functools import partial
from random import Random

import asyncpg
import pytest

from tests.crash.conftest import Ground
from tests.support.product import eventually
from tests.support.server import Server, quietly

ROUNDS = int(os.environ.get("DANGOL_KILLS", "1"))
SEED = int(os.environ.get("DANGOL_SEED", "1"))
LONG = pytest.mark.timeout(200 + 200 * ROUNDS)


@LONG
def test_nothing_is_lost_or_repeated_when_up_is_killed_under_load(embedded: Ground) -> None:
    """faults A1, C36, D56: kill -9 again and again, started again at once."""
    chance = Random(SEED)
    for _ in range(ROUNDS):
        embedded.post(300)
        for _ in range(5):
            embedded.when_taken(chance.randint(5, 80))
            embedded.fleet.roles["up"].restart()
    embedded.drained(300 * ROUNDS)


@LONG
@pytest.mark.kafka
@pytest.mark.postgres
def test_nothing_is_lost_or_repeated_when_roles_and_servers_are_killed_under_load(production: Ground) -> None:
    """faults P2, B19, B24, C36, D56: kill -9 of every role and of the broker, PostgreSQL stopped, all started again."""
    chance = Random(SEED)
    assert production.kafka
    assert production.postgres
    kafka, postgres = production.kafka, production.postgres
    roles = [role.restart for role in production.fleet.roles.values()]
    for _ in range(ROUNDS):
        production.post(800)
        chance.shuffle(roles)
        for restart in roles:
            production.when_taken(chance.randint(5, 100))
            restart()
        for server in (kafka, postgres):
            production.when_taken(chance.randint(5, 100))
            _away(server)
    production.drained(800 * ROUNDS)


def _away(server: Server) -> None:
    """PostgreSQL killed would leave children that hold its memory: it is stopped, cutting every connection."""
    if server.launch.user:
        server.stop()
    else:
        server.kill()
    server.start()


@LONG
@pytest.mark.kafka
@pytest.mark.postgres
def test_case_60_who_wakes_after_another_took_over_repeats_nothing(production: Ground) -> None:
    """faults B21, B22, D60: stopped in its tracks until its partitions are another's, then let go on."""
    assert production.postgres
    database = production.postgres.url
    for name in ("journey-1", "dispatcher-1"):
        production.post(200)
        production.when_taken(20)
        production.fleet.roles[name].pause()
        eventually(partial(_is_nobodys, database, name), 40)
        production.fleet.roles[name].resume()
    production.drained(400)


def _is_nobodys(database: str, member: str) -> bool:
    """Whether every partition of a member has been taken by another."""

    async def held() -> int:
        connection = await asyncpg.connect(database, timeout=5)
        count = await connection.fetchval("SELECT count(*) FROM position WHERE owner = $1", member)
        await connection.close()
        return int(count)

    return quietly(held()) == 0
