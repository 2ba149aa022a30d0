"""Opting out by a link: in force when it is answered, and told to the others as an event."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.codec import encode
from dangol.db import Db
from dangol.events import ConsentEvent, Event, Origin, key_of
from dangol.messages import ConsentStatement
from dangol.names import named
from dangol.outbox import Outbox
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_dispatcher.consent import MARKETING, consent_channel
from dangol_dispatcher.consents import consents_of, record
from dangol_dispatcher.model import Recipient
from dangol_dispatcher.recipients import MOST_JOINS, add_missing, load_recipients, lock_recipients

SOURCE = "unsubscribe_link"


async def opt_out(
    db: Db, conn: AsyncConnection, outbox: Outbox, workspace: str, profile: str, message: str, channels: tuple[str, ...]
) -> bool:
    """Withdraw consent to marketing on these roads (`email`, …, or `all`); False where it was withdrawn already."""
    now = await db.now(conn)
    person = await _person(db, conn, workspace, profile)
    roads = tuple(channel if channel == "all" else consent_channel(channel) for channel in channels)
    if person.erased or await _refused_already(conn, person.profile, roads):
        return False
    event = _event(person, workspace, message, roads, now)
    stated = ConsentStatement(
        purpose=MARKETING,
        channels=roads,
        granted=False,
        source=SOURCE,
        at=now,
        event_id=event.id,
        origin=Origin.SERVICE,
    )
    await record(db, conn, workspace, [(person.profile, stated)], now)
    if event.user_id or event.anonymous_id:
        await outbox.put(conn, [Outgoing(Topic.EVENTS, key_of(event), encode(event), event.id)])
    return True


async def roads_left(conn: AsyncConnection, profile: str) -> list[str]:
    """The roads on which this person still agrees to marketing."""
    for _ in range(MOST_JOINS):
        known = (await load_recipients(conn, [profile])).get(profile)
        if known is None or not known.merged_into:
            break
        profile = known.merged_into
    stated = (await consents_of(conn, [profile])).get(profile, {})
    return sorted(road for (purpose, road), one in stated.items() if purpose == MARKETING and one.granted)


async def _person(db: Db, conn: AsyncConnection, workspace: str, profile: str) -> Recipient:
    """The person, locked, as who they are by now."""
    for _ in range(MOST_JOINS):
        await add_missing(db, conn, [Recipient(profile=profile, workspace=workspace, key="")])
        person = (await lock_recipients(conn, [profile]))[profile]
        if not person.merged_into:
            break
        profile = person.merged_into
    return person


async def _refused_already(conn: AsyncConnection, profile: str, roads: tuple[str, ...]) -> bool:
    known = (await consents_of(conn, [profile])).get(profile, {})
    if "all" in roads:
        return False  # said again, in case one road was opened since
    return all((stated := known.get((MARKETING, road))) is not None and not stated.granted for road in roads)


def _event(person: Recipient, workspace: str, message: str, roads: tuple[str, ...], now: datetime) -> Event:
    anonymous = person.anonymous_ids[-1] if person.anonymous_ids and not person.user_id else None
    return Event(
        workspace=workspace,
        id=named("opt-out", message, *roads, now.isoformat()),
        name=ConsentEvent.WITHDRAWN,
        user_id=person.user_id,
        anonymous_id=anonymous,
        properties={"purpose": MARKETING, "channels": list(roads), "source": SOURCE, "message_id": message},
        at=now,
        received_at=now,
        origin=Origin.SERVICE,
    )
