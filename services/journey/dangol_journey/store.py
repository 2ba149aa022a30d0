"""People and their enrolments, read and written many at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol_journey.model import Enrolment, Person
from dangol_journey.rows import INTEGER, MOMENT, TEXT, Shape, as_moment, execute
from dangol_journey.turn import entering

_people = msgspec.json.Decoder(Person)
_enrolments = msgspec.json.Decoder(Enrolment)
_IDS = Shape((("id", TEXT),))
_PROFILE = Shape(
    (
        ("id", TEXT),
        ("workspace", TEXT),
        ("key", TEXT),
        ("home", INTEGER),
        ("user_id", TEXT),
        ("email", TEXT),
        ("merged_into", TEXT),
        ("version", INTEGER),
        ("state", TEXT),
        ("wake_at", MOMENT),
        ("wake_raises", INTEGER),
    )
)
_ENROLMENT = Shape(
    (
        ("id", TEXT),
        ("workspace", TEXT),
        ("profile", TEXT),
        ("journey", TEXT),
        ("key", TEXT),
        ("version", INTEGER),
        ("status", TEXT),
        ("step", TEXT),
        ("state", TEXT),
        ("entered_at", MOMENT),
        ("due_at", MOMENT),
        ("ended_at", MOMENT),
        ("goal_until", MOMENT),
    )
)
_PAIRS = Shape((("profile", TEXT), ("journey", TEXT), ("key", TEXT)))

# nothing else in this statement: locking and reading joined rows in one returned stale rows when tried
_LOCK = """SELECT id, state, wake_at, wake_raises FROM profile
    WHERE id IN (SELECT id FROM {r}) ORDER BY id {lock}"""
# OFFSET 0 keeps PostgreSQL on the index, one look a person, whatever its statistics say
_OPEN = {
    "sqlite": """SELECT e.profile, e.state FROM {r} CROSS JOIN enrolment e ON e.profile = r.id
        AND (e.status = 'live' OR e.goal_until IS NOT NULL) AND (e.status = 'live' OR e.goal_until > :now)""",
    "postgresql": """SELECT e.profile, e.state FROM {r} CROSS JOIN LATERAL (SELECT profile, state FROM enrolment
        WHERE profile = r.id AND (status = 'live' OR goal_until IS NOT NULL)
        AND (status = 'live' OR goal_until > :now) OFFSET 0) e""",
}
_ENTERED = """SELECT r.profile, r.journey, r.key, max(e.entered_at) FROM {r} JOIN enrolment e
    ON e.profile = r.profile AND e.journey = r.journey AND e.key = r.key GROUP BY r.profile, r.journey, r.key"""
_SAVE_PROFILES = """INSERT INTO profile
    (id, workspace, key, home, user_id, email, merged_into, version, state, wake_at, wake_raises)
    SELECT id, workspace, key, home, user_id, email, merged_into, version, state, wake_at, wake_raises
    FROM {r} WHERE true
    ON CONFLICT (id) DO UPDATE SET key = excluded.key, home = excluded.home, user_id = excluded.user_id,
    email = excluded.email, merged_into = excluded.merged_into, version = excluded.version, state = excluded.state,
    wake_at = excluded.wake_at, wake_raises = excluded.wake_raises"""
_SAVE_ENROLMENTS = """INSERT INTO enrolment
    (id, workspace, profile, journey, key, version, status, step, state, entered_at, due_at, ended_at, goal_until)
    SELECT id, workspace, profile, journey, key, version, status, step, state, entered_at, due_at, ended_at, goal_until
    FROM {r} WHERE true
    ON CONFLICT (id) DO UPDATE SET profile = excluded.profile, version = excluded.version, status = excluded.status,
    step = excluded.step, state = excluded.state, due_at = excluded.due_at, ended_at = excluded.ended_at,
    goal_until = excluded.goal_until"""
_HAND_OVER = "UPDATE enrolment SET profile = :to WHERE profile = :of AND status <> 'live'"


@dataclass(slots=True)
class Loaded:
    """A person as the database has it; `raw` are the texts its enrolments were read from, by id."""

    person: Person
    raw: dict[str, str] = field(default_factory=dict)
    wake_at: datetime | None = None
    wake_raises: int = 0


async def lock_people(conn: AsyncConnection, ids: Collection[str]) -> dict[str, Loaded]:
    """Those of these people that there are, by id, locked in the order of their ids; without enrolments."""
    if not ids:
        return {}
    rows = await execute(conn, _LOCK, _IDS, [(id,) for id in sorted(ids)])
    return {row[0]: Loaded(_people.decode(row[1]), {}, as_moment(row[2]), row[3]) for row in rows}


async def load_enrolments(conn: AsyncConnection, people: Mapping[str, Loaded], now: datetime) -> None:
    """Add to each person its live enrolments, and those whose goal is open, in the order they were entered."""
    if not people:
        return
    rows = await execute(conn, _OPEN[conn.dialect.name], _IDS, [(id,) for id in people], now=now)
    for profile, state in rows:
        enrolment = _enrolments.decode(state)
        people[profile].raw[enrolment.id] = state
        people[profile].person.enrolments.append(enrolment)
    for loaded in people.values():
        loaded.person.enrolments.sort(key=entering)


async def load_entered(conn: AsyncConnection, people: Mapping[str, Loaded], pairs: Iterable[tuple[str, str]]) -> None:
    """Add to each person when it last entered each (profile, "journey␟key") pair."""
    rows = [(profile, *pair.split("\x1f", 1)) for profile, pair in sorted(set(pairs)) if profile in people]
    if not rows:
        return
    for profile, journey, key, at in await execute(conn, _ENTERED, _PAIRS, rows):
        people[profile].person.entered[f"{journey}\x1f{key}"] = as_moment(at)


@dataclass(frozen=True, slots=True)
class Saving:
    """A person to be saved: `home` is the partition of its key; enrolments whose text is still as in `raw` are not."""

    person: Person
    enrolments: Sequence[Enrolment]
    home: int
    wake_at: datetime | None
    wake_raises: int = 0
    raw: Mapping[str, str] = field(default_factory=dict)


async def save_people(conn: AsyncConnection, people: Sequence[Saving]) -> None:
    """Save people and those of their enrolments that changed, in two statements."""
    if not people:
        return
    await execute(conn, _SAVE_PROFILES, _PROFILE, [_profile_row(saving) for saving in people])
    rows = [row for saving in people for row in _enrolment_rows(saving)]
    if rows:
        # those that left go first: a journey and key may have one live enrolment only, at every moment
        await execute(conn, _SAVE_ENROLMENTS, _ENROLMENT, sorted(rows, key=lambda row: row[6] == "live"))


async def hand_over_history(conn: AsyncConnection, of: str, to: str) -> None:
    """Give the ended enrolments of a person to the one it was merged into."""
    await conn.execute(text(_HAND_OVER), {"of": of, "to": to})


def _profile_row(saving: Saving) -> tuple[Any, ...]:
    person = saving.person
    state = _as_text(msgspec.structs.replace(person, enrolments=[], entered={}))
    email = next((address.value for address in person.addresses if address.kind == "email"), None)
    who = (person.id, person.workspace, person.key, saving.home, person.user_id, email, person.merged_into)
    return (*who, person.version, state, saving.wake_at, saving.wake_raises)


def _enrolment_rows(saving: Saving) -> Iterable[tuple[Any, ...]]:
    for e in saving.enrolments:
        state = _as_text(e)
        if saving.raw.get(e.id) != state:
            owner = (e.id, saving.person.workspace, saving.person.id, e.journey, e.key, e.version)
            goal_until = e.goal_until if e.ended_at and not e.converted else None
            yield (*owner, e.status, e.state, state, e.entered_at, e.due_at, e.ended_at, goal_until)


def _as_text(value: Person | Enrolment) -> str:
    return msgspec.json.encode(value).decode()
