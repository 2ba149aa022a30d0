"""Endpoints nothing is sent to, kept by keyed hash, so that they outlive the person's erasure."""

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.rows import among, asked, read
from dangol_dispatcher.consent import consent_channel
from dangol_dispatcher.model import Recipient
from dangol_dispatcher.rows import HASH_KEY, SUPPRESSION, put_new

ROADS = {"email": ("email",), "phone": ("sms", "kakao"), "device": ("push",)}
Place = tuple[str, str]  # (road, endpoint)
_keys: WeakKeyDictionary[Db, dict[str, str]] = WeakKeyDictionary()


async def suppress(
    db: Db, conn: AsyncConnection, workspace: str, places: Iterable[Place], reason: str, now: datetime
) -> None:
    """Nothing is sent there from now on."""
    key = await _key(db, conn, workspace)
    rows = [
        {
            "workspace": workspace,
            "channel": road,
            "endpoint_hash": hashed(key, road, endpoint),
            "reason": reason,
            "at": now,
        }
        for road, endpoint in sorted(set(places))
    ]
    await put_new(db, conn, SUPPRESSION, rows)


async def suppressed(db: Db, conn: AsyncConnection, workspace: str, places: Iterable[Place]) -> frozenset[Place]:
    """Those of these places that are suppressed."""
    places = set(places)
    if not places:
        return frozenset()
    key = await _key(db, conn, workspace)
    hashes = {(road, hashed(key, road, endpoint)): (road, endpoint) for road, endpoint in places}

    def found() -> Select[Any]:
        return select(SUPPRESSION.c.channel, SUPPRESSION.c.endpoint_hash).where(
            SUPPRESSION.c.workspace == asked("workspace"),
            among(conn, SUPPRESSION.c.channel, "roads"),
            among(conn, SUPPRESSION.c.endpoint_hash, "hashes"),
        )

    roads = sorted({road for road, _ in places})
    given = {"workspace": workspace, "roads": roads, "hashes": [hash for _, hash in hashes]}
    rows = [(road, hash) for road, hash in await read(conn, ("suppressed",), found, **given)]
    return frozenset(hashes[row] for row in rows if row in hashes)


async def release(db: Db, conn: AsyncConnection, workspace: str, place: Place) -> None:
    """An operator says that it works again."""
    key = await _key(db, conn, workspace)
    await conn.execute(
        delete(SUPPRESSION).where(
            SUPPRESSION.c.workspace == workspace,
            SUPPRESSION.c.channel == place[0],
            SUPPRESSION.c.endpoint_hash == hashed(key, *place),
        )
    )


def places_of(recipient: Recipient) -> set[Place]:
    """Every road to a person, with its endpoint."""
    return {(road, address.value) for address in recipient.addresses for road in ROADS.get(address.kind, ())}


def place_of(channel: str, endpoint: str) -> Place:
    """The road a channel goes by, with the endpoint."""
    return consent_channel(channel), endpoint


@lru_cache(maxsize=4096)  # asked again by the claim, and by the last look
def hashed(key: str, road: str, endpoint: str) -> str:
    """The keyed hash of an endpoint; mail addresses do not differ by case."""
    plain = endpoint.casefold() if road == "email" else endpoint
    return hmac.digest(bytes.fromhex(key), f"{road}\x1f{plain}".encode(), "sha256").hex()


async def _key(db: Db, conn: AsyncConnection, workspace: str) -> str:
    """The workspace's random key, made when first needed; once it is committed it never changes."""
    known = _keys.setdefault(db, {})
    if workspace in known:
        return known[workspace]
    wanted = select(HASH_KEY.c.key).where(HASH_KEY.c.workspace == workspace)
    found: str | None = (await conn.execute(wanted)).scalar()
    if found is None:
        await put_new(db, conn, HASH_KEY, [{"workspace": workspace, "key": secrets.token_hex(32)}])
        found = (await conn.execute(wanted)).scalar_one()
    key = found
    db.then(conn, lambda: known.update({workspace: key}))
    return found
