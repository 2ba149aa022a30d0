"""The ledger of consent: statements are added, never changed, and what they come to is kept beside them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.messages import ConsentStatement
from dangol.names import named
from dangol.rows import among, as_moment, read
from dangol_dispatcher.consent import not_in_the_future, standing_consents
from dangol_dispatcher.model import Consent
from dangol_dispatcher.rows import CONSENT, STATEMENT, Row, put, put_new

Stated = tuple[str, ConsentStatement]  # (profile, statement)
_decoder = msgspec.json.Decoder(ConsentStatement)


async def record(db: Db, conn: AsyncConnection, workspace: str, stated: Sequence[Stated], now: datetime) -> None:
    """Add statements, and bring what they come to up to date. The people must be locked; a repeat changes nothing."""
    await put_new(db, conn, STATEMENT, [_row(workspace, profile, one, now) for profile, one in stated])
    await settle(db, conn, workspace, {profile for profile, _ in stated})


async def settle(db: Db, conn: AsyncConnection, workspace: str, profiles: Collection[str]) -> None:
    """What all statements of these people come to, worked out again: their order of coming does not matter."""
    ledger = await statements(conn, profiles)
    rows = [
        {
            "profile": profile,
            "purpose": purpose,
            "channel": channel,
            "workspace": workspace,
            "granted": consent.granted,
            "night": consent.night,
            "at": consent.at,
        }
        for profile, said in sorted(ledger.items())
        for (purpose, channel), consent in sorted(standing_consents(said).items())
    ]
    await put(db, conn, CONSENT, rows)


async def statements(conn: AsyncConnection, profiles: Collection[str]) -> dict[str, list[ConsentStatement]]:
    """The ledger of these people, oldest first."""
    rows = await conn.execute(
        select(STATEMENT.c.profile, STATEMENT.c.statement)
        .where(among(conn, STATEMENT.c.profile, profiles))
        .order_by(STATEMENT.c.at, STATEMENT.c.id)
    )
    ledger: dict[str, list[ConsentStatement]] = {}
    for row in rows:
        ledger.setdefault(row.profile, []).append(_decoder.decode(row.statement))
    return ledger


async def consents_of(conn: AsyncConnection, profiles: Collection[str]) -> Mapping[str, dict[tuple[str, str], Consent]]:
    """What holds now, by profile, then by (purpose, consent channel)."""

    def theirs() -> Select[Any]:
        told = (CONSENT.c[name] for name in ("profile", "purpose", "channel", "granted", "night", "at"))
        return select(*told).where(among(conn, CONSENT.c.profile, "profiles"))

    rows = await read(conn, ("consents",), theirs, profiles=sorted(profiles))
    found: dict[str, dict[tuple[str, str], Consent]] = {}
    for profile, purpose, channel, granted, night, at in rows:
        found.setdefault(profile, {})[purpose, channel] = _consent(granted, night, at)
    return found


@lru_cache(maxsize=4096)  # one statement is several rows, read at every look
def _consent(granted: Any, night: Any, at: Any) -> Consent:
    return Consent(bool(granted), bool(night), as_moment(at))


async def join(
    db: Db, conn: AsyncConnection, workspace: str, gone: str, stays: str, *, refusals_only: bool = False
) -> None:
    """Two people are one: all statements are of the one who stays, the newest wins, a refusal wins a tie.

    With `refusals_only` what the one agreed to stays its own: a stranger does not agree for another.
    """
    rows = await conn.execute(select(STATEMENT.c.id, STATEMENT.c.statement).where(STATEMENT.c.profile == gone))
    moved = [row.id for row in rows if not (refusals_only and _decoder.decode(row.statement).granted)]
    await conn.execute(update(STATEMENT).where(STATEMENT.c.id.in_(moved)).values(profile=stays))
    await conn.execute(delete(CONSENT).where(CONSENT.c.profile == gone))
    await settle(db, conn, workspace, [stays])


async def forget(conn: AsyncConnection, profiles: Iterable[str]) -> None:
    """An erased person states nothing any more: no record is no consent."""
    for table in (STATEMENT, CONSENT):
        await conn.execute(delete(table).where(table.c.profile.in_(sorted(profiles))))


def _row(workspace: str, profile: str, stated: ConsentStatement, now: datetime) -> Row:
    at = not_in_the_future(stated.at, now)
    kept = msgspec.structs.replace(stated, at=at)
    channels = ",".join(stated.channels)
    source = stated.event_id or stated.at.isoformat()
    parts = (source, stated.purpose, channels, str(stated.granted), str(stated.night))
    return {
        "id": named("consent", workspace, profile, *parts),
        "workspace": workspace,
        "profile": profile,
        "purpose": stated.purpose,
        "at": at,
        "recorded_at": now,
        "statement": msgspec.json.encode(kept).decode(),
    }
