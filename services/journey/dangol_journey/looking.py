"""Looking at people, journeys and what was set aside: read for the API, changed nowhere."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol_journey.model import Person
from dangol_journey.tables import Enrolment, Profile, SetAside

LONGEST_LIST = 200
_BY_ID = "SELECT profile FROM identity WHERE workspace = :workspace AND kind = :kind AND value = :value"
_BY_EMAIL = "SELECT id FROM profile WHERE workspace = :workspace AND email = :value ORDER BY id LIMIT 50"
_COUNTS = """SELECT journey, status, step, count(*) FROM enrolment WHERE workspace = :workspace
    GROUP BY journey, status, step"""


async def find_profiles(conn: AsyncConnection, workspace: str, kind: str, value: str) -> list[str]:
    """The profiles that `kind` user | anonymous | email names: one at most, but for an email."""
    statement = text(_BY_EMAIL if kind == "email" else _BY_ID)
    asked = {"workspace": workspace, "value": value} | ({} if kind == "email" else {"kind": kind})
    return [row[0] for row in await conn.execute(statement, asked)]


async def profile(conn: AsyncConnection, workspace: str, id: str) -> tuple[Person, datetime | None] | None:
    """A person without its enrolments, and when it will be woken."""
    wanted = select(col(Profile.state), col(Profile.wake_at)).where(
        col(Profile.id) == id, col(Profile.workspace) == workspace
    )
    row = (await conn.execute(wanted)).one_or_none()
    return (msgspec.json.decode(row[0], type=Person), row[1]) if row else None


async def enrolments(conn: AsyncConnection, workspace: str, profile: str) -> list[dict[str, Any]]:
    """A person's newest enrolments, live and over."""
    wanted = (
        select(col(Enrolment.state))
        .where(col(Enrolment.workspace) == workspace, col(Enrolment.profile) == profile)
        .order_by(col(Enrolment.entered_at).desc())
        .limit(LONGEST_LIST)
    )
    return [msgspec.json.decode(state) | {} for state in (await conn.execute(wanted)).scalars()]


async def counts(conn: AsyncConnection, workspace: str) -> dict[str, dict[str, Any]]:
    """By journey: {live, exited, finished, merged, states: {step: people waiting there}}."""
    found: dict[str, dict[str, Any]] = defaultdict(no_counts)
    for journey, status, step, times in await conn.execute(text(_COUNTS), {"workspace": workspace}):
        found[journey][status] += times
        if status == "live" and step:
            found[journey]["states"][step] = times
    return found


def no_counts() -> dict[str, Any]:
    """The counts of a journey nobody entered."""
    return {"live": 0, "exited": 0, "finished": 0, "merged": 0, "states": {}}


async def set_aside(conn: AsyncConnection, workspace: str, *, replayed: bool) -> list[dict[str, Any]]:
    """What was set aside, the newest first; also what was played again where `replayed`."""
    wanted = select(SetAside.__table__).where(col(SetAside.workspace) == workspace)  # type: ignore[attr-defined]
    if not replayed:
        wanted = wanted.where(col(SetAside.replayed_at).is_(None))
    rows = await conn.execute(wanted.order_by(col(SetAside.at).desc()).limit(LONGEST_LIST))
    return [dict(row) for row in rows.mappings()]
