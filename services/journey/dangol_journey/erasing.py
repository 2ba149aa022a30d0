"""Erasing a person: nothing known is left, nothing more is said, and nothing older brings it back."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.errors import Invalid, NotFound
from dangol.rows import moment_for
from dangol_journey import aside, identities, memory
from dangol_journey.batch import Workshop
from dangol_journey.deciding import attempt
from dangol_journey.gathering import load_inside
from dangol_journey.model import Advanced, Person
from dangol_journey.plan import IdentityKey
from dangol_journey.saying import outgoing_of
from dangol_journey.store import lock_people

# that somebody walked a journey stays, for its counts; who, and with what, does not
_BARE = """UPDATE enrolment SET state = '{}', key = id, due_at = NULL, goal_until = NULL,
    ended_at = CASE WHEN status = 'live' THEN :now ELSE ended_at END,
    status = CASE WHEN status = 'live' THEN 'exited' ELSE status END WHERE profile = :profile"""
_ABSORBED = "SELECT id FROM profile WHERE workspace = :workspace AND merged_into = :profile"
_DELETE = "DELETE FROM profile WHERE id = :profile"


async def erase(conn: AsyncConnection, shop: Workshop, workspace: str, profile: str, now: datetime) -> None:
    """Erase a person and the profiles it took over. Raises `NotFound`. The caller has refreshed the definitions."""
    absorbed = await conn.execute(text(_ABSORBED), {"workspace": workspace, "profile": profile})
    every = [profile, *(row[0] for row in absorbed)]
    people = await lock_people(conn, every)
    if profile not in people or people[profile].person.workspace != workspace:
        raise NotFound("unknown_profile", f"no profile {profile}")
    await load_inside(conn, shop.published, people, now)
    advanced = [_gone(shop, loaded.person, now) for _, loaded in sorted(people.items())]
    await shop.outbox.put(conn, outgoing_of(advanced, ()))
    for one in people:
        await _forget(conn, one, now)


def _gone(shop: Workshop, person: Person, now: datetime) -> Advanced:
    done = attempt(lambda: shop.rules.erase(shop.published.of(person.workspace), person, now))
    if isinstance(done, str):
        raise Invalid("not_erased", f"erasing raised: {done.strip().splitlines()[-1]}")
    return done


async def _forget(conn: AsyncConnection, profile: str, now: datetime) -> None:
    ids: Sequence[IdentityKey] = await identities.of_profile(conn, profile)
    await memory.bury(conn, ids, now)
    await identities.forget(conn, profile)
    await aside.forget(conn, profile)
    await conn.execute(text(_BARE), {"profile": profile, "now": moment_for(conn, now)})
    await conn.execute(text(_DELETE), {"profile": profile})
