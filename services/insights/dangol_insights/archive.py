"""The archive of events and decisions: the one module that knows where they are kept."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol.codec import encode
from dangol.decisions import Decision
from dangol.events import Event
from dangol.rows import MOMENT, TEXT, Shape, execute
from dangol_insights.model import Counts, Kept, Person, Wanted
from dangol_insights.tables import ArchiveDecision, ArchiveEvent

EVENTS = Shape(
    (
        ("workspace", TEXT),
        ("id", TEXT),
        ("at", MOMENT),
        ("name", TEXT),
        ("user_id", TEXT),
        ("anonymous_id", TEXT),
        ("body", TEXT),
    )
)
DECISIONS = Shape(
    (
        ("workspace", TEXT),
        ("id", TEXT),
        ("at", MOMENT),
        ("verdict", TEXT),
        ("reason", TEXT),
        ("user_id", TEXT),
        ("anonymous_id", TEXT),
        ("profile", TEXT),
        ("input", TEXT),
        ("journey", TEXT),
        ("message", TEXT),
        ("body", TEXT),
    )
)
PUT_EVENTS, PUT_DECISIONS = (
    f"INSERT INTO {table} ({shape.names}) SELECT {shape.names} FROM {{r}} WHERE true ON CONFLICT DO NOTHING"
    for table, shape in (("archive_event", EVENTS), ("archive_decision", DECISIONS))
)
_events = msgspec.json.Decoder(Event)
_decisions = msgspec.json.Decoder(Decision)


PAGE = 200  # rows a statement: as JSON they are a few times as large


async def save_events(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Keep events; one whose id is there already is a repeat."""
    rows = [
        (one.workspace, one.id, one.at, one.name, one.user_id, one.anonymous_id, encode(one).decode()) for one in events
    ]
    await _put(conn, PUT_EVENTS, EVENTS, rows)


async def save_decisions(conn: AsyncConnection, decisions: Sequence[Decision]) -> None:
    """Keep decisions; one whose id is there already is a repeat."""
    rows = [
        (
            one.workspace,
            one.id,
            one.at,
            one.verdict.value,
            one.reason,
            one.user_id,
            one.anonymous_id,
            one.profile,
            one.input,
            one.journey,
            one.message,
            encode(one).decode(),
        )
        for one in decisions
    ]
    await _put(conn, PUT_DECISIONS, DECISIONS, rows)


async def _put(conn: AsyncConnection, statement: str, shape: Shape, rows: Sequence[Sequence[Any]]) -> None:
    for first in range(0, len(rows), PAGE):
        await execute(conn, statement, shape, rows[first : first + PAGE])


async def find_events(conn: AsyncConnection, workspace: str, wanted: Wanted) -> list[Kept[Event]]:
    """Events of a workspace: newest first, or from `after` on in the order they were taken."""
    table = ArchiveEvent
    conditions = _about(table, wanted)
    for name in ("id", "name"):
        if value := getattr(wanted, name):
            conditions.append(getattr(table, name) == value)
    rows = _page(select(col(table.number), col(table.body)), table, workspace, wanted, conditions)
    return [Kept(number or 0, _events.decode(body)) for number, body in (await conn.execute(rows)).all()]


async def find_decisions(conn: AsyncConnection, workspace: str, wanted: Wanted) -> list[Kept[Decision]]:
    """Decisions of a workspace: newest first, or from `after` on in the order they were taken."""
    table = ArchiveDecision
    conditions = _about(table, wanted)
    for name in ("id", "verdict", "profile", "input", "journey", "message"):
        if value := getattr(wanted, name):
            conditions.append(getattr(table, name) == value)
    if wanted.reason:
        reason = col(table.reason)
        conditions.append(or_(reason == wanted.reason, reason.startswith(f"{wanted.reason}:", autoescape=True)))
    rows = _page(select(col(table.number), col(table.body)), table, workspace, wanted, conditions)
    return [Kept(number or 0, _decisions.decode(body)) for number, body in (await conn.execute(rows)).all()]


async def person_of(conn: AsyncConnection, workspace: str, person: Person) -> Person:
    """The person with the profiles decisions name, so that what was decided of their other ids is found too."""
    table = ArchiveDecision
    # as a value, not as the column: SQLite would read the index of all profiles, to have them without repeats
    profile = func.coalesce(col(table.profile), "")
    known = await conn.execute(select(profile).where(_named(table, workspace, person)).distinct().limit(20))
    return Person(person.user_id, person.anonymous_id, tuple(sorted(found for found in known.scalars() if found)))


async def timeline(conn: AsyncConnection, workspace: str, person: Person, limit: int) -> list[Decision]:
    """What was decided about a person, the newest `limit`, in the order of time."""
    table = ArchiveDecision
    rows = (
        select(col(table.body))
        .where(_whose(workspace, person))
        .order_by(col(table.at).desc(), col(table.number).desc())
        .limit(limit)
    )
    return [_decisions.decode(body) for body in (await conn.execute(rows)).scalars()][::-1]


async def forget(conn: AsyncConnection, workspace: str, person: Person) -> Counts:
    """Delete all that is kept of a person; how many events and decisions that were."""
    about_events = delete(ArchiveEvent).where(_named(ArchiveEvent, workspace, person))
    about_decisions = delete(ArchiveDecision).where(_whose(workspace, person))
    return Counts((await conn.execute(about_events)).rowcount, (await conn.execute(about_decisions)).rowcount)


async def newest_number(conn: AsyncConnection) -> Counts:
    """Where the archive ends now."""
    events = (await conn.execute(select(func.max(ArchiveEvent.number)))).scalar_one()
    decisions = (await conn.execute(select(func.max(ArchiveDecision.number)))).scalar_one()
    return Counts(events or 0, decisions or 0)


def _about(table: Any, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.user_id:
        conditions.append(table.user_id == wanted.user_id)
    if wanted.anonymous_id:
        conditions.append(table.anonymous_id == wanted.anonymous_id)
    if wanted.since:
        conditions.append(table.at >= wanted.since)
    if wanted.until:
        conditions.append(table.at < wanted.until)
    return conditions


def _named(table: Any, workspace: str, person: Person) -> ColumnElement[bool]:
    """What is under one of the person's ids. Each way has the workspace, so that SQLite has an index for each."""
    names = [
        and_(table.workspace == workspace, getattr(table, name) == value)
        for name, value in (("user_id", person.user_id), ("anonymous_id", person.anonymous_id))
        if value
    ]
    return or_(*names)


def _whose(workspace: str, person: Person) -> ColumnElement[bool]:
    """Decisions under one of the person's ids, or about one of the profiles."""
    table = ArchiveDecision
    about = and_(col(table.workspace) == workspace, col(table.profile).in_(person.profiles))
    return or_(_named(table, workspace, person), about)


def _page(
    rows: Select[int | None, str], table: Any, workspace: str, wanted: Wanted, conditions: list[ColumnElement[bool]]
) -> Select[int | None, str]:
    rows = rows.where(and_(table.workspace == workspace, *conditions)).limit(wanted.limit)
    if wanted.after is not None:
        return rows.where(table.number > wanted.after).order_by(table.number)
    return rows.order_by(table.at.desc(), table.number.desc())
