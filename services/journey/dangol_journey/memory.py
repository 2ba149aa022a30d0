"""What journey must not do twice, and whom it must not bring back: remembered ids and tombstones."""

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.driver import fetch
from dangol.rows import MOMENT, TEXT, Shape, as_moment, execute, moment_for
from dangol_journey.intake import SeenKey
from dangol_journey.plan import IdentityKey

PAGE = 1000

_SEEN = Shape((("workspace", TEXT), ("id", TEXT), ("hash", TEXT), ("at", MOMENT)))
_PAIR = Shape((("workspace", TEXT), ("value", TEXT)))
# sorted, so that two batches with ids in common wait for each other instead of locking each other out
_REMEMBER = """INSERT INTO seen_id (workspace, id, hash, at) SELECT workspace, id, hash, at FROM {r} WHERE true
    ORDER BY workspace, id ON CONFLICT (workspace, id) DO NOTHING RETURNING workspace, id"""
_HASHES = "SELECT s.workspace, s.id, s.hash FROM {r} JOIN seen_id s ON s.workspace = r.workspace AND s.id = r.value"
_FORGET = """DELETE FROM seen_id WHERE (workspace, id) IN
    (SELECT workspace, id FROM seen_id WHERE at < :before ORDER BY at LIMIT :page)"""


async def remember(conn: AsyncConnection, ids: Mapping[SeenKey, str], now: datetime) -> dict[SeenKey, str]:
    """Remember ids with their bodies' hashes; answers those known before, with the hash known."""
    if not ids:
        return {}
    rows = [(workspace, id, hash, now) for (workspace, id), hash in sorted(ids.items())]
    new = {(row[0], row[1]) for row in await execute(conn, _REMEMBER, _SEEN, rows)}
    known = [key for key in ids if key not in new]
    if not known:
        return {}
    found = await execute(conn, _HASHES, _PAIR, known)
    return {(row[0], row[1]): row[2] for row in found}


async def prune(db: Db, before: datetime) -> int:
    """Forget one page of ids older than `before`; how many."""
    async with db.transaction() as conn:
        found = await conn.execute(text(_FORGET), {"before": moment_for(conn, before), "page": PAGE})
        return found.rowcount


_KEYS = "SELECT workspace, key FROM erasure_key"
_NEW_KEY = "INSERT INTO erasure_key (workspace, key) VALUES (:workspace, :key) ON CONFLICT (workspace) DO NOTHING"
_BURY = """INSERT INTO tombstone (workspace, hash, at) SELECT workspace, hash, at FROM {r} WHERE true
    ON CONFLICT (workspace, hash) DO UPDATE SET at = excluded.at"""
_STONE = Shape((("workspace", TEXT), ("hash", TEXT), ("at", MOMENT)))
_BURIED = "SELECT s.workspace, s.hash, s.at FROM {r} JOIN tombstone s ON s.workspace = r.workspace AND s.hash = r.value"


async def bury(conn: AsyncConnection, ids: Sequence[IdentityKey], now: datetime) -> None:
    """Leave a tombstone for each id of an erased person."""
    for workspace in {key[0] for key in ids}:
        await conn.execute(text(_NEW_KEY), {"workspace": workspace, "key": secrets.token_hex(32)})
    keys = await _keys(conn)
    if rows := [(key[0], _hash(keys[key[0]], key), now) for key in ids]:
        await execute(conn, _BURY, _STONE, rows)


async def buried(conn: AsyncConnection, ids: Collection[IdentityKey]) -> dict[IdentityKey, datetime]:
    """Which of these ids belonged to an erased person, and when that was."""
    keys = await _keys(conn) if ids else {}
    hashes = {(key[0], _hash(keys[key[0]], key)): key for key in ids if key[0] in keys}
    if not hashes:
        return {}
    found = await execute(conn, _BURIED, _PAIR, sorted(hashes))
    return {hashes[row[0], row[1]]: as_moment(row[2]) for row in found}


async def _keys(conn: AsyncConnection) -> dict[str, str]:
    return {row[0]: row[1] for row in await fetch(conn, _KEYS)}


def _hash(key: str, identity: IdentityKey) -> str:
    return hashlib.blake2b("\x1f".join(identity).encode(), key=bytes.fromhex(key), digest_size=32).hexdigest()
