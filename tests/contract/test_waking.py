"""Who is due and when the next one is, on each database; found by looks at the index."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol_journey import waking
from dangol_journey.model import Person
from dangol_journey.store import Saving, save_people
from dangol_journey.waking import due_people, next_moment

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


async def park(conn: AsyncConnection, count: int, homes: int) -> None:
    """People in turn in these homes, one due each second from noon on; and one who never is."""
    people = [Person(id=f"p{n:04d}", workspace="w", key=f"w/{n}", created_at=NOON) for n in range(count + 1)]
    due = [NOON + timedelta(seconds=n) for n in range(count)]
    await save_people(
        conn, [Saving(one, (), n % homes, at) for n, (one, at) in enumerate(zip(people, [*due, None], strict=True))]
    )


async def test_the_next_moment_is_the_earliest_of_the_homes_asked_for(db: Db) -> None:
    async with db.transaction() as conn:
        assert await next_moment(conn, [0, 1, 2]) is None
        await park(conn, 30, homes=3)
        assert await next_moment(conn, [0, 1, 2]) == NOON
        assert await next_moment(conn, [2]) == NOON + timedelta(seconds=2)
        assert await next_moment(conn, []) is None
        assert await next_moment(conn, [7]) is None


async def test_those_due_are_the_earliest_each_up_to_its_homes_horizon(db: Db) -> None:
    """Caught: a horizon of one home used for all; a page that took the latest."""
    horizons = {0: NOON + timedelta(seconds=9), 1: NOON + timedelta(seconds=1)}
    async with db.transaction() as conn:
        await park(conn, 30, homes=3)
        due = await due_people(conn, horizons, 100)
        assert due == {f"p{n:04d}": horizons[n % 3] for n in (0, 1, 3, 6, 9)}
        assert set(await due_people(conn, {0: horizons[0]}, 2)) == {"p0000", "p0003"}
        assert await due_people(conn, {2: NOON}, 100) == {}


async def test_a_look_is_a_probe_of_the_index_whoever_is_parked(db: Db) -> None:
    """Caught: the next moment as an aggregate over a join, which read everybody parked (352 ms of 300,000)."""
    homes = "(SELECT 0 AS home) AS r" if db.dialect == "sqlite" else "unnest(ARRAY[0, 1]) AS r(home)"
    explain = "EXPLAIN QUERY PLAN" if db.dialect == "sqlite" else "EXPLAIN (ANALYZE, TIMING OFF)"
    async with db.transaction() as conn:
        await park(conn, 2000, homes=2)
        rows = await conn.execute(text(f"{explain} {waking._NEXT[db.dialect].format(r=homes)}"))
        plan = "\n".join(str(row[-1]) for row in rows)
    assert "profile_wake" in plan
    # one row a home is what stops it there
    assert ("Limit" if db.dialect == "postgresql" else "CORRELATED SCALAR SUBQUERY") in plan
