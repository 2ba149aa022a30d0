"""People and their enrolments, read and written many at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.rows import INTEGER, MOMENT, TEXT, Shape, as_moment, execute, write
from dangol_journey.model import Enrolment, Person
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
_MOVED = Shape((("version", INTEGER), ("state", TEXT), ("wake_at", MOMENT), ("wake_raises", INTEGER), ("id", TEXT)))
_WALKED = Shape(
    (
        ("version", INTEGER),
        ("status", TEXT),
        ("step", TEXT),
        ("state", TEXT),
        ("due_at", MOMENT),
        ("ended_at", MOMENT),
        ("goal_until", MOMENT),
        ("id", TEXT),
    )
)

# nothing else in this statement: locking and reading joined rows in one returned stale rows when tried
_LOCK = """SELECT id, state, home, wake_at, wake_raises FROM profile
    WHERE id IN (SELECT id FROM {r}) ORDER BY id {lock}"""
# OFFSET 0 keeps PostgreSQL on the indexes, a look a person in each, whatever its statistics say
_OPEN = {
    "sqlite": """SELECT e.profile, e.state FROM {r} CROSS JOIN enrolment e ON e.profile = r.id AND e.status = 'live'
        UNION ALL SELECT e.profile, e.state FROM {r} CROSS JOIN enrolment e ON e.profile = r.id
        AND e.status <> 'live' AND e.goal_until IS NOT NULL AND e.goal_until > :now""",
    "postgresql": """SELECT e.profile, e.state FROM {r} CROSS JOIN LATERAL (
        (SELECT profile, state FROM enrolment WHERE profile = r.id AND status = 'live' OFFSET 0)
        UNION ALL (SELECT profile, state FROM enrolment WHERE profile = r.id
        AND status <> 'live' AND goal_until IS NOT NULL AND goal_until > :now OFFSET 0)) e""",
}
_ENTERED = """SELECT r.profile, r.journey, r.key, max(e.entered_at) FROM {r} JOIN enrolment e
    ON e.profile = r.profile AND e.journey = r.journey AND e.key = r.key GROUP BY r.profile, r.journey, r.key"""
_SAVE_PROFILES = """INSERT INTO profile
    (id, workspace, key, home, user_id, email, merged_into, version, state, wake_at, wake_raises) {rows}
    ON CONFLICT (id) DO UPDATE SET key = excluded.key, home = excluded.home, user_id = excluded.user_id,
    email = excluded.email, merged_into = excluded.merged_into, version = excluded.version, state = excluded.state,
    wake_at = excluded.wake_at, wake_raises = excluded.wake_raises"""
# most people keep their ids: what names no column that other indexes hold leaves those alone
_MOVE_ON = {
    "sqlite": "UPDATE profile SET version = ?, state = ?, wake_at = ?, wake_raises = ? WHERE id = ?",
    "postgresql": """UPDATE profile p SET version = r.version, state = r.state, wake_at = r.wake_at,
        wake_raises = r.wake_raises FROM {r} WHERE p.id = r.id""",
}
_SAVE_ENROLMENTS = """INSERT INTO enrolment
    (id, workspace, profile, journey, key, version, status, step, state, entered_at, due_at, ended_at, goal_until)
    {rows} ON CONFLICT (id) DO UPDATE SET profile = excluded.profile, version = excluded.version,
    status = excluded.status, step = excluded.step, state = excluded.state, due_at = excluded.due_at,
    ended_at = excluded.ended_at, goal_until = excluded.goal_until"""
_WALK_ON = {
    "sqlite": """UPDATE enrolment SET version = ?, status = ?, step = ?, state = ?, due_at = ?, ended_at = ?,
        goal_until = ? WHERE id = ?""",
    "postgresql": """UPDATE enrolment e SET version = r.version, status = r.status, step = r.step, state = r.state,
        due_at = r.due_at, ended_at = r.ended_at, goal_until = r.goal_until FROM {r} WHERE e.id = r.id""",
}
_HAND_OVER = "UPDATE enrolment SET profile = :to WHERE profile = :of AND status <> 'live'"


@dataclass(slots=True)
class Loaded:
    """A person as the database has it: `state` the text it was read from, `raw` those of its enrolments, by id."""

    person: Person
    raw: dict[str, str] = field(default_factory=dict)
    state: str = ""  # empty: not there yet
    home: int = -1
    wake_at: datetime | None = None
    wake_raises: int = 0


async def lock_people(conn: AsyncConnection, ids: Collection[str]) -> dict[str, Loaded]:
    """Those of these people that there are, by id, locked in the order of their ids; without enrolments."""
    if not ids:
        return {}
    rows = await execute(conn, _LOCK, _IDS, [(id,) for id in sorted(ids)])
    return {
        id: Loaded(_people.decode(state), {}, state, home, as_moment(wake_at), wake_raises)
        for id, state, home, wake_at, wake_raises in rows
    }


async def load_enrolments(conn: AsyncConnection, people: Mapping[str, Loaded], now: datetime) -> None:
    """Add to each person its live enrolments, and those whose goal is open, in the order they were entered."""
    ids = [(id,) for id, one in people.items() if one.state]
    if not ids:
        return
    rows = await execute(conn, _OPEN[conn.dialect.name], _IDS, ids, now=now)
    several = set()
    for profile, state in rows:
        enrolment, loaded = _enrolments.decode(state), people[profile]
        loaded.raw[enrolment.id] = state
        loaded.person.enrolments.append(enrolment)
        if len(loaded.raw) > 1:
            several.add(profile)
    for profile in several:
        people[profile].person.enrolments.sort(key=entering)


async def load_entered(conn: AsyncConnection, people: Mapping[str, Loaded], pairs: Iterable[tuple[str, str]]) -> None:
    """Add to each person when it last entered each (profile, "journey␟key") pair."""
    there = ((profile, pair) for profile, pair in sorted(set(pairs)) if profile in people and people[profile].state)
    rows = [(profile, *pair.split("\x1f", 1)) for profile, pair in there]
    if not rows:
        return
    for profile, journey, key, at in await execute(conn, _ENTERED, _PAIRS, rows):
        people[profile].person.entered[f"{journey}\x1f{key}"] = as_moment(at)


class Saving(msgspec.Struct, frozen=True):
    """A person to be saved: `home` is the partition of its key, `before` what it was loaded as."""

    person: Person
    enrolments: Sequence[Enrolment]
    home: int
    wake_at: datetime | None
    wake_raises: int = 0
    before: Loaded | None = None


async def save_people(conn: AsyncConnection, people: Sequence[Saving]) -> None:
    """Save people, and of them and their enrolments only what changed; at most four statements."""
    new: list[tuple[Any, ...]] = []
    moved: list[tuple[Any, ...]] = []
    for saving in people:
        state = _as_text(msgspec.structs.replace(saving.person, enrolments=[], entered={}))
        if not _as_before(saving, state):
            on = (saving.person.version, state, saving.wake_at, saving.wake_raises)
            if _names_as_before(saving):
                moved.append((*on, saving.person.id))
            else:
                names = _looked_up_by(saving.person, saving.home)
                new.append((saving.person.id, saving.person.workspace, *names, *on))
    if new:
        await write(conn, _SAVE_PROFILES, _PROFILE, new)
    if moved:
        await write(conn, _MOVE_ON[conn.dialect.name], _MOVED, moved)
    await _save_enrolments(conn, people)


async def _save_enrolments(conn: AsyncConnection, people: Sequence[Saving]) -> None:
    new: list[tuple[Any, ...]] = []
    walked: list[tuple[Any, ...]] = []
    for saving in people:
        raw = saving.before.raw if saving.before else {}
        for e in saving.enrolments:
            state = _as_text(e)
            goal_until = e.goal_until if e.ended_at and not e.converted else None
            if e.id not in raw:
                owner = (e.id, saving.person.workspace, saving.person.id, e.journey, e.key, e.version)
                new.append((*owner, e.status, e.state, state, e.entered_at, e.due_at, e.ended_at, goal_until))
            elif raw[e.id] != state:
                walked.append((e.version, e.status, e.state, state, e.due_at, e.ended_at, goal_until, e.id))
    # those that left go first: a journey and key may have one live enrolment only, at every moment
    if walked:
        await write(conn, _WALK_ON[conn.dialect.name], _WALKED, sorted(walked, key=lambda row: row[1] == "live"))
    if new:
        await write(conn, _SAVE_ENROLMENTS, _ENROLMENT, sorted(new, key=lambda row: row[6] == "live"))


async def hand_over_history(conn: AsyncConnection, of: str, to: str) -> None:
    """Give the ended enrolments of a person to the one it was merged into."""
    await conn.execute(text(_HAND_OVER), {"of": of, "to": to})


def _as_before(saving: Saving, state: str) -> bool:
    before = saving.before
    same = before is not None and (before.state, before.home) == (state, saving.home)
    return same and before is not None and (before.wake_at, before.wake_raises) == (saving.wake_at, saving.wake_raises)


def _names_as_before(saving: Saving) -> bool:
    """Whether what the person is looked up by is still the same."""
    person, before = saving.person, saving.before
    if before is None or not before.state:
        return False
    was = before.person
    if person.addresses is was.addresses and person.key == was.key and saving.home == before.home:
        return person.user_id == was.user_id and person.merged_into == was.merged_into
    return _looked_up_by(person, saving.home) == _looked_up_by(was, before.home)


def _looked_up_by(person: Person, home: int) -> tuple[Any, ...]:
    """What a person is looked up by."""
    email = next((address.value for address in person.addresses if address.kind == "email"), None)
    return person.key, home, person.user_id, email, person.merged_into


def _as_text(value: Person | Enrolment) -> str:
    return msgspec.json.encode(value).decode()
