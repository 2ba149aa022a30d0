"""Whose an id is, in SQL: (workspace, kind, value) → profile."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.rows import TEXT, Shape, execute
from dangol_journey.people import Known
from dangol_journey.plan import IdentityKey

_KEYS = Shape((("workspace", TEXT), ("kind", TEXT), ("value", TEXT)))
_OWNED = Shape((*_KEYS.columns, ("profile", TEXT)))
_FIND = """SELECT i.workspace, i.kind, i.value, i.profile, p.user_id FROM {r}
    JOIN identity i ON i.workspace = r.workspace AND i.kind = r.kind AND i.value = r.value
    LEFT JOIN profile p ON p.id = i.profile"""
# sorted, so that two batches with ids in common wait for each other instead of locking each other out
_CLAIM = """INSERT INTO identity (workspace, kind, value, profile) SELECT workspace, kind, value, profile FROM {r}
    WHERE true ORDER BY workspace, kind, value ON CONFLICT (workspace, kind, value) DO NOTHING"""
_MOVE = """UPDATE identity SET profile = r.profile FROM {r}
    WHERE identity.workspace = r.workspace AND identity.kind = r.kind AND identity.value = r.value"""
_UNITE = "UPDATE identity SET profile = :winner WHERE profile = :loser"
_OF = "SELECT workspace, kind, value FROM identity WHERE profile = :profile ORDER BY kind, value"
_FORGET = "DELETE FROM identity WHERE profile = :profile"


async def find(conn: AsyncConnection, keys: Collection[IdentityKey]) -> dict[IdentityKey, Known]:
    """Those of these ids that name a profile."""
    if not keys:
        return {}
    rows = await execute(conn, _FIND, _KEYS, sorted(keys))
    return {(row[0], row[1], row[2]): Known(row[3], row[4]) for row in rows}


async def claim(conn: AsyncConnection, claims: Mapping[IdentityKey, str]) -> None:
    """Give ids nobody had to profiles; who claims one as well waits until the first has committed, and gets nothing."""
    if claims:
        await execute(conn, _CLAIM, _OWNED, [(*key, profile) for key, profile in sorted(claims.items())])


async def move(conn: AsyncConnection, moves: Mapping[IdentityKey, str], unions: Sequence[tuple[str, str]]) -> None:
    """Let ids change hands, and all of a loser's become its winner's. The profiles are locked by now."""
    if moves:
        await execute(conn, _MOVE, _OWNED, [(*key, profile) for key, profile in sorted(moves.items())])
    for winner, loser in unions:
        await conn.execute(text(_UNITE), {"winner": winner, "loser": loser})


async def of_profile(conn: AsyncConnection, profile: str) -> list[IdentityKey]:
    """Every id of a profile."""
    return [(row[0], row[1], row[2]) for row in await conn.execute(text(_OF), {"profile": profile})]


async def forget(conn: AsyncConnection, profile: str) -> None:
    """Let no id name this profile."""
    await conn.execute(text(_FORGET), {"profile": profile})
