"""A journey's workshop on a test's own database and log, with journeys built by hand and the real machine."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from dangol.codec import decode_decision, decode_event, decode_spoken, encode
from dangol.db import Db, in_transaction
from dangol.decisions import Decision
from dangol.documents import DefinitionSet
from dangol.events import Event, Origin, key_of
from dangol.messages import Facts, Message, Spoken
from dangol.outbox import Outbox, unpacked
from dangol.stream import Outgoing, Stream
from dangol.tables import Logged, Unsent
from dangol.topics import Topic
from dangol_journey import machine
from dangol_journey.batch import Settled, Workshop, settle_events, settle_wakes
from dangol_journey.deciding import Rules
from dangol_journey.journey import Definitions
from dangol_journey.model import Advanced, Input, Person
from dangol_journey.published import Published
from dangol_journey.store import lock_people
from tests.support.journeys import definitions
from tests.support.walks import CART, WELCOME

RULES = Rules(machine.advance, machine.merge, machine.erase, machine.entry_keys)


def workshop(db: Db, stream: Stream, defined: Definitions | None = None, rules: Rules = RULES) -> Workshop:
    """A workshop in which these definitions (welcome and cart recovery by default) are published in every workspace."""
    compiled = defined or definitions(WELCOME, CART)

    def compile(published: DefinitionSet, _older: Iterable[DefinitionSet]) -> Definitions:
        return replace(compiled, workspace=published.workspace)

    return Workshop(db, stream, Outbox(db, stream, "journey"), rules, Published(compile))


def raising(name: str) -> Rules:
    """Rules that raise for events of this name."""

    def advance(defined: Definitions, person: Person, inputs: Sequence[Input], now: datetime) -> Advanced:
        if any(isinstance(one, Event) and one.name == name for one in inputs):
            raise ValueError(f"{name} is poison")
        return machine.advance(defined, person, inputs, now)

    return replace(RULES, advance=advance)


def did(name: str, user: str | None = "u1", at: datetime | None = None, **more: Any) -> Event:
    """An event that just happened."""
    moment = at or datetime.now(UTC)
    given: dict[str, Any] = {"workspace": "default", "id": f"{name}:{user}:{moment.isoformat()}", "name": name}
    given |= {"user_id": user, "at": moment, "received_at": moment, "origin": Origin.SERVER, "body_hash": "h"}
    return Event(**(given | more))


def record_of(event: Event) -> Outgoing:
    """The event on its way to the log."""
    return Outgoing(Topic.EVENTS, key_of(event), encode(event), event.id)


async def settle(shop: Workshop, *events: Event, **more: Any) -> Settled:
    """Settle events in a transaction of their own."""

    async def work(conn: Any) -> Settled:
        await shop.published.refresh(conn)
        return await settle_events(conn, shop, events, await shop.db.now(conn), **more)

    return await in_transaction(shop.db, work)


async def wake(shop: Workshop, profile: str, moment: datetime) -> Settled:
    """Fire what is due at `moment` for one person."""

    async def work(conn: Any) -> Settled:
        await shop.published.refresh(conn)
        return await settle_wakes(conn, shop, {profile: moment}, moment)

    return await in_transaction(shop.db, work)


async def rows(db: Db, statement: str, **given: Any) -> list[tuple[Any, ...]]:
    """What a statement finds."""
    async with db.transaction() as conn:
        return [tuple(row) for row in await conn.execute(text(statement), given)]


async def profile_of(db: Db, user: str, workspace: str = "default") -> str | None:
    """The profile a user id names."""
    found = await rows(
        db,
        "SELECT profile FROM identity WHERE workspace = :workspace AND kind = 'user' AND value = :value",
        workspace=workspace,
        value=user,
    )
    return found[0][0] if found else None


async def person_of(db: Db, user: str, workspace: str = "default") -> Person:
    """The person a user id names, without enrolments."""
    profile = await profile_of(db, user, workspace)
    assert profile, f"nobody is {user}"
    async with db.transaction() as conn:
        return (await lock_people(conn, [profile]))[profile].person


async def said(db: Db, topic: Topic) -> list[bytes]:
    """Everything said on a topic: in the embedded log, or in the outbox."""
    logged = await rows(db, f"SELECT id, value FROM {Logged.__tablename__} WHERE topic = '{topic}' ORDER BY id")
    unsent = await rows(db, f"SELECT records FROM {Unsent.__tablename__} ORDER BY id")
    waiting = [one for (records,) in unsent for one in unpacked(records) if one.topic == topic]
    return [bytes(row[1]) for row in logged] + [one.value for one in waiting]


async def messages(db: Db) -> list[Message]:
    return [one for one in await spoken(db) if isinstance(one, Message)]


async def facts(db: Db) -> list[Facts]:
    return [one for one in await spoken(db) if isinstance(one, Facts)]


async def spoken(db: Db) -> list[Spoken]:
    return [decode_spoken(value) for value in await said(db, Topic.MESSAGES)]


async def decisions(db: Db) -> list[Decision]:
    return [decode_decision(value) for value in await said(db, Topic.DECISIONS)]


async def own_events(db: Db) -> list[Event]:
    return [decode_event(value) for value in await said(db, Topic.EVENTS)]
