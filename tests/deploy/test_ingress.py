"""deploy/Caddyfile: each path goes to the role that serves it."""

import re
from contextlib import AsyncExitStack
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from dangol.clock import utc_now
from dangol.db import open_db
from dangol.migrate import migrate
from dangol.process import ROLES, open_house, open_services
from dangol.settings import read_settings

CADDYFILE = (Path(__file__).parents[2] / "deploy" / "Caddyfile").read_text()
ROUTED = {role: patterns.split() for role, patterns in re.findall(r"(?m)^\s*@(\w+) path (.+)$", CADDYFILE)}
OPEN_TO_ALL = "ingest"  # takes what no other role is named for


def routed_to(path: str) -> str:
    """The role Caddy hands this path to: its matchers are prefixes with a star."""
    return next((role for role, known in ROUTED.items() if any(fnmatchcase(path, one) for one in known)), OPEN_TO_ALL)


async def paths_of(role: str, place: Path) -> set[str]:
    settings = read_settings({}, data=str(place))
    db = await open_db(settings.db, utc_now)
    try:
        await migrate(db)
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(open_house(settings, db, utc_now, embedded=True))
            (service,) = await stack.enter_async_context(open_services(house, [role]))
            return {context.path for context in iter_route_contexts(service.router.routes) if context.path}
    finally:
        await db.close()


@pytest.mark.parametrize("role", [role for role, main in ROLES.items() if find_spec(main)])
async def test_the_ingress_hands_a_role_what_it_serves(role: str, tmp_path: Path) -> None:
    paths = await paths_of(role, tmp_path)
    assert paths
    assert {path: routed_to(path) for path in paths if routed_to(path) != role} == {}


def test_matchers_take_a_route_and_what_is_below_it() -> None:
    assert routed_to("/api/journeys/welcome") == "journey"
    assert routed_to("/v1/batch") == "ingest"
