"""The archive on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from dangol.clock import utc_now
from dangol.db import Db, open_db
from dangol.decisions import Verdict
from dangol.migrate import migrate
from dangol_insights import archive
from dangol_insights.model import Counts, Person, Wanted
from dangol_insights.tables import ArchiveDecision
from tests.support.records import NOON, decision, event


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Db]:
    db = await open_db(db_url, utc_now)
    await migrate(db)
    yield db
    await db.close()


async def test_what_is_kept_comes_back_whole_and_once(db: Db) -> None:
    said = event(properties={"이름": "원두", "n": 1.5}, traits={"email": "a@b.c"}, at=NOON + timedelta(microseconds=1))
    decided = decision(details={"until": "2026-11-22T23:00:00+00:00"}, journey="welcome")
    for _ in range(2):
        async with db.transaction() as conn:
            await archive.save_events(conn, [said, said])
            await archive.save_decisions(conn, [decided])
            await archive.save_events(conn, [])
    async with db.transaction() as conn:
        assert [one.payload for one in await archive.find_events(conn, "default", Wanted())] == [said]
        assert [one.payload for one in await archive.find_decisions(conn, "default", Wanted())] == [decided]
        latest = await archive.newest_number(conn)
    assert latest.events >= 1
    assert latest.decisions >= 1


async def test_one_id_in_two_workspaces_is_two(db: Db) -> None:
    async with db.transaction() as conn:
        await archive.save_events(conn, [event(), event(workspace="other")])
        for workspace in ("default", "other"):
            (found,) = await archive.find_events(conn, workspace, Wanted())
            assert found.payload.workspace == workspace
        assert await archive.find_events(conn, "third", Wanted()) == []


async def test_a_person_is_found_under_every_id_decisions_link(db: Db) -> None:
    browsed = decision(Verdict.WAITED, "matched", user_id=None, anonymous_id="a1", journey="browse")
    bought = decision(Verdict.SENT, at=NOON + timedelta(hours=1), journey="welcome")
    elsewhere = decision(Verdict.SENT, user_id="u2", profile="p2", journey="welcome")
    async with db.transaction() as conn:
        await archive.save_decisions(conn, [bought, elsewhere, browsed])
        for asked in (Person(user_id="u1"), Person(anonymous_id="a1")):
            person = await archive.person_of(conn, "default", asked)
            assert person.profiles == ("p1",)
            assert await archive.timeline(conn, "default", person, 10) == [browsed, bought]
        assert await archive.timeline(conn, "default", person, 1) == [bought]


async def test_a_person_is_found_by_indexes_however_large_the_archive_is(tmp_path: Path) -> None:
    """Caught: one condition for the workspace and another for the ways, which SQLite read all of the workspace for."""
    db = await open_db(f"sqlite:///{tmp_path}/x.db", utc_now)
    await migrate(db)
    person = Person(user_id="u1", anonymous_id="a1", profiles=("p1", "p2"))
    wanted = select(col(ArchiveDecision.body)).where(archive._whose("default", person))
    async with db.transaction() as conn:
        made = wanted.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True})
        plan = " ".join(tuple(row)[3] for row in await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {made}"))
    assert all(f"archive_decision_of_{way} (" in plan for way in ("user", "anonymous", "profile")), plan
    said: list[str] = []
    async with db.transaction() as conn:
        driver = conn.sync_connection.connection.driver_connection  # type: ignore[union-attr]
        driver._conn.set_trace_callback(said.append)  # type: ignore[union-attr]
        await archive.person_of(conn, "default", Person(user_id="u1"))
        driver._conn.set_trace_callback(None)  # type: ignore[union-attr]
        (asked,) = [one for one in said if one.startswith("SELECT DISTINCT")]
        plan = " ".join(tuple(row)[3] for row in await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}"))
    assert "archive_decision_of_user (workspace=? AND user_id=?)" in plan, plan
    await db.close()


async def test_a_reason_is_found_with_its_detail(db: Db) -> None:
    async with db.transaction() as conn:
        await archive.save_decisions(
            conn,
            [decision(reason="unknown: event.x"), decision(reason="unknown_template"), decision(reason="unknown")],
        )
        found = await archive.find_decisions(conn, "default", Wanted(reason="unknown"))
    assert sorted(one.payload.reason for one in found) == ["unknown", "unknown: event.x"]


@pytest.mark.parametrize("hostile", ["' OR 1=1 --", "%", "_", '"', "\\"])
async def test_what_is_asked_for_is_only_a_value(db: Db, hostile: str) -> None:
    async with db.transaction() as conn:
        await archive.save_events(conn, [event()])
        await archive.save_decisions(conn, [decision()])
        for wanted in (Wanted(user_id=hostile), Wanted(id=hostile), Wanted(anonymous_id=hostile)):
            assert await archive.find_events(conn, "default", wanted) == []
            assert await archive.find_decisions(conn, "default", wanted) == []
        assert await archive.find_events(conn, "default", Wanted(name=hostile)) == []
        assert await archive.find_decisions(conn, "default", Wanted(reason=hostile)) == []


async def test_a_person_is_forgotten_and_nobody_else(db: Db) -> None:
    mine = [decision(), decision(user_id=None, anonymous_id="a1")]
    others = [decision(user_id="u2", profile="p2"), decision(workspace="other")]
    async with db.transaction() as conn:
        await archive.save_events(conn, [event(), event(user_id="u2", id="2"), event(workspace="other")])
        await archive.save_decisions(conn, [*mine, *others])
        person = await archive.person_of(conn, "default", Person(user_id="u1"))
        assert await archive.forget(conn, "default", person) == Counts(1, 2)
        assert [one.payload.user_id for one in await archive.find_events(conn, "default", Wanted())] == ["u2"]
        assert [one.payload.user_id for one in await archive.find_decisions(conn, "default", Wanted())] == ["u2"]
        assert len(await archive.find_decisions(conn, "other", Wanted())) == 1
