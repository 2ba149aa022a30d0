"""Recipients in the database: loaded, locked in the order of their ids, saved."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.rows import among, read
from dangol_dispatcher.model import Recipient
from dangol_dispatcher.rows import RECIPIENT, Row, put, put_new

MOST_JOINS = 8  # how far we follow a person who became another
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Recipient)


async def load_recipients(conn: AsyncConnection, profiles: Collection[str]) -> dict[str, Recipient]:
    """Those that are known, by profile."""
    rows = await read(conn, ("recipients",), lambda: _named(conn), profiles=sorted(profiles))
    return _by_profile(facts for (facts,) in rows)


async def lock_recipients(
    conn: AsyncConnection, profiles: Collection[str], *, skip_locked: bool = False
) -> dict[str, Recipient]:
    """The same, locked until the transaction ends; `skip_locked` leaves out those another holds."""
    rows = await read(
        conn,
        ("locked recipients", str(skip_locked)),
        lambda: _named(conn).order_by(RECIPIENT.c.profile).with_for_update(skip_locked=skip_locked),
        profiles=sorted(profiles),
    )
    return _by_profile(facts for (facts,) in rows)


async def add_missing(db: Db, conn: AsyncConnection, recipients: Iterable[Recipient]) -> None:
    """Rows for people not known yet, so that they can be locked."""
    await put_new(db, conn, RECIPIENT, [_row(one) for one in sorted(recipients, key=lambda one: one.profile)])


async def save_recipients(db: Db, conn: AsyncConnection, recipients: Iterable[Recipient]) -> None:
    """As they are now."""
    await put(db, conn, RECIPIENT, [_row(one) for one in sorted(recipients, key=lambda one: one.profile)])


async def profiles_of_user(conn: AsyncConnection, workspace: str, user_id: str, *, lock: bool = False) -> list[str]:
    """The profiles known under a user id, as who they are by now; locked where `lock`."""
    found = select(RECIPIENT.c.profile).where(RECIPIENT.c.workspace == workspace, RECIPIENT.c.user_id == user_id)
    profiles = set((await conn.execute(found)).scalars())
    for _ in range(MOST_JOINS):
        known = await (lock_recipients if lock else load_recipients)(conn, profiles)
        if not any(one.merged_into for one in known.values()):
            break
        profiles = {one.merged_into or one.profile for one in known.values()}
    return sorted(profiles)


def _named(conn: AsyncConnection) -> Select[Any]:
    return select(RECIPIENT.c.facts).where(among(conn, RECIPIENT.c.profile, "profiles"))


def _by_profile(facts: Iterable[str]) -> dict[str, Recipient]:
    return {one.profile: one for one in map(_decoder.decode, facts)}


def _row(one: Recipient) -> Row:
    return {
        "profile": one.profile,
        "workspace": one.workspace,
        "key": one.key,
        "version": one.version,
        "user_id": one.user_id,
        "facts": _encoder.encode(one).decode(),
        "merged_into": one.merged_into,
        "erased": one.erased,
    }
