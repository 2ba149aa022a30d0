"""Consent stated by an operator's system: in the ledger when it is answered, and told to the others as an event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.codec import encode
from dangol.db import Db
from dangol.errors import Invalid, NotFound
from dangol.events import ConsentEvent, Event, Origin, key_of
from dangol.messages import ConsentStatement
from dangol.names import named
from dangol.outbox import Outbox
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_dispatcher.consent import CONSENT_CHANNELS, channels_of
from dangol_dispatcher.consents import consents_of, record, statements
from dangol_dispatcher.recipients import profiles_of_user

NO_MATTER = datetime(2026, 1, 1, tzinfo=UTC)


class Said(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/consents`."""

    user_id: str
    granted: bool
    purpose: str = "marketing"
    channels: tuple[str, ...] = ("all",)
    night: bool | None = None
    wording: str = ""
    source: str = "api"
    at: datetime | None = None
    id: str = ""


def read_said(body: bytes) -> Said:
    """The body. Raises `Invalid`."""
    try:
        said = msgspec.json.decode(body, type=Said)
    except msgspec.DecodeError as error:
        raise Invalid(
            "invalid", str(error), hint='{"user_id": "u1", "granted": true, "channels": ["email"]}'
        ) from error
    unknown = [name for name in channels_of(statement_of(said, NO_MATTER)) if name not in CONSENT_CHANNELS]
    if unknown or not said.channels:
        raise Invalid(
            "unknown_channel", f"no consent channel {', '.join(unknown)}", hint=f"all, {', '.join(CONSENT_CHANNELS)}"
        )
    if said.at is not None and said.at.tzinfo is None:
        raise Invalid("no_zone", "at needs a zone: 2026-11-22T09:00:00Z", where="at")
    return said


def statement_of(said: Said, now: datetime) -> ConsentStatement:
    """The statement a body makes."""
    return ConsentStatement(
        purpose=said.purpose,
        channels=said.channels,
        granted=said.granted,
        night=said.night,
        wording=said.wording,
        source=said.source,
        at=said.at or now,
        origin=Origin.SECRET,
    )


async def state(db: Db, conn: AsyncConnection, outbox: Outbox, workspace: str, said: Said) -> list[str]:
    """Record it for the person, and say it as an event; gives the profiles it is recorded for, perhaps none yet."""
    now = await db.now(conn)
    statement = statement_of(said, now)
    profiles = await profiles_of_user(conn, workspace, said.user_id, lock=True)
    event = _event(workspace, said, statement, now)
    stated = msgspec.structs.replace(statement, event_id=event.id)
    await record(db, conn, workspace, [(profile, stated) for profile in profiles], now)
    await outbox.put(conn, [Outgoing(Topic.EVENTS, key_of(event), encode(event), event.id)])
    return profiles


async def shown(conn: AsyncConnection, workspace: str, user_id: str) -> Mapping[str, Any]:
    """What holds for a person, and the ledger it comes from. Raises `NotFound`."""
    profiles = await profiles_of_user(conn, workspace, user_id)
    if not profiles:
        raise NotFound("unknown_profile", f"nobody is known as {user_id}", where="user_id")
    held = await consents_of(conn, profiles)
    ledger = await statements(conn, profiles)
    return {
        "user_id": user_id,
        "consents": [
            {"purpose": purpose, "channel": channel} | msgspec.to_builtins(consent)
            for profile in profiles
            for (purpose, channel), consent in sorted(held.get(profile, {}).items())
        ],
        "statements": [msgspec.to_builtins(one) for profile in profiles for one in ledger.get(profile, [])],
    }


def _event(workspace: str, said: Said, statement: ConsentStatement, now: datetime) -> Event:
    about = said.id or f"{statement.at.isoformat()}/{','.join(said.channels)}/{said.granted}"
    properties = {"purpose": said.purpose, "channels": said.channels, "wording": said.wording, "source": said.source}
    return Event(
        workspace=workspace,
        id=named("stated", workspace, said.user_id, about),
        name=ConsentEvent.GIVEN if said.granted else ConsentEvent.WITHDRAWN,
        user_id=said.user_id,
        properties=properties | ({} if said.night is None else {"night": said.night}),
        at=statement.at,
        received_at=now,
        origin=Origin.SECRET,
    )
