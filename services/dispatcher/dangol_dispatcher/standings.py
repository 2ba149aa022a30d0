"""Everything the rules look at about people, read in a few statements for all of them."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.rows import among, as_moment, asked, read
from dangol_dispatcher.caps import longest_window
from dangol_dispatcher.consents import consents_of
from dangol_dispatcher.model import Recipient, Spent, Standing
from dangol_dispatcher.rows import MESSAGE, SWITCH
from dangol_dispatcher.rulebook import Rules
from dangol_dispatcher.suppressions import Place, places_of, suppressed

ALL_WORKSPACES = "*"


async def load_standings(
    db: Db,
    conn: AsyncConnection,
    rules: Rules,
    people: Mapping[str, Recipient | None],
    places: Collection[Place],
    now: datetime,
) -> dict[str, Standing]:
    """The standing of each person by profile. `places`: endpoints to look up beside the people's own."""
    profiles = list(people)
    consents = await consents_of(conn, profiles)
    known = {place for one in people.values() if one for place in places_of(one)}
    dead = await suppressed(db, conn, rules.workspace, known | set(places))
    spent = await spent_by(conn, profiles, now - longest_window(rules.caps)) if rules.caps else {}
    switches = await switches_on(conn, rules.workspace)
    return {
        profile: Standing(recipient, consents.get(profile, {}), dead, tuple(spent.get(profile, ())), switches)
        for profile, recipient in people.items()
    }


async def spent_by(conn: AsyncConnection, profiles: Collection[str], since: datetime) -> dict[str, list[Spent]]:
    """The messages that took a slot since then, by profile."""

    def theirs() -> Select[Any]:
        told = (MESSAGE.c[name] for name in ("profile", "id", "counted_at", "category", "channel", "journey", "tags"))
        counted = MESSAGE.c.counted_at >= asked("since", MESSAGE.c.counted_at.type)
        return select(*told).where(among(conn, MESSAGE.c.profile, "profiles"), counted)

    rows = await read(conn, ("spent",), theirs, profiles=sorted(profiles), since=since - timedelta(seconds=1))
    found: dict[str, list[Spent]] = {}
    for profile, id, counted_at, category, channel, journey, tags in rows:
        named = () if tags == "[]" else tuple(msgspec.json.decode(tags, type=list[str]))
        one = Spent(id, as_moment(counted_at), category, channel or "", journey, named)
        found.setdefault(profile, []).append(one)
    return found


async def switches_on(conn: AsyncConnection, workspace: str) -> frozenset[str]:
    """The kill switches that are on, the workspace's and those of all."""

    def on() -> Select[Any]:
        return select(SWITCH.c.name).where(SWITCH.c.workspace.in_([asked("workspace"), ALL_WORKSPACES]))

    return frozenset(name for (name,) in await read(conn, ("switches",), on, workspace=workspace))
