"""Who is due, and when the next one is: a look at the index a home, however many people are parked."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.driver import fetch
from dangol.rows import INTEGER, MOMENT, Shape, as_moment, execute, moment_for

_HOMES = Shape((("home", INTEGER), ("horizon", MOMENT)))
_HELD = Shape((("home", INTEGER),))
# LIMIT inside: joined without it, all that is due is read for every page of it
_DUE = {
    "sqlite": "SELECT id, wake_at FROM profile WHERE home = ? AND wake_at <= ? ORDER BY wake_at, id LIMIT ?",
    "postgresql": """SELECT d.id, r.horizon FROM {r} CROSS JOIN LATERAL (SELECT id, wake_at FROM profile
        WHERE home = r.home AND wake_at <= r.horizon ORDER BY wake_at, id LIMIT {page}) d
        ORDER BY d.wake_at, d.id LIMIT {page}""",
}
# as an aggregate over the join it read every parked person of these homes
_NEXT = {
    "sqlite": """SELECT min(earliest) FROM (SELECT (SELECT p.wake_at FROM profile p
        WHERE p.home = r.home AND p.wake_at IS NOT NULL ORDER BY p.wake_at LIMIT 1) AS earliest FROM {r})""",
    "postgresql": """SELECT min(d.wake_at) FROM {r} CROSS JOIN LATERAL (SELECT wake_at FROM profile
        WHERE home = r.home AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1) d""",
}


async def next_moment(conn: AsyncConnection, homes: Collection[int]) -> datetime | None:
    """The earliest moment of anybody in these homes."""
    rows = [(home,) for home in sorted(homes)]
    return as_moment((await execute(conn, _NEXT[conn.dialect.name], _HELD, rows))[0][0]) if rows else None


async def due_people(conn: AsyncConnection, horizons: Mapping[int, datetime], page: int) -> dict[str, datetime]:
    """At most so many of those due, by profile: the horizon of its home, up to which it is to be woken."""
    if conn.dialect.name == "postgresql":
        rows = await execute(conn, _DUE["postgresql"].replace("{page}", str(page)), _HOMES, sorted(horizons.items()))
        return {row[0]: as_moment(row[1]) for row in rows}
    found: dict[str, datetime] = {}
    for home, horizon in sorted(horizons.items()):  # one, unless the log is elsewhere
        rows = await fetch(conn, _DUE["sqlite"], (home, moment_for(conn, horizon), page - len(found)))
        found |= dict.fromkeys((row[0] for row in rows), horizon)
    return found
