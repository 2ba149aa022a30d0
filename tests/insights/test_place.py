"""Where the archive is: in a database of its own where one is named, and what became of an embedded log's lost end."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from dangol.clock import utc_now
from dangol.codec import encode
from dangol.db import Db, open_db
from dangol.errors import Invalid
from dangol.migrate import migrate
from dangol.service import House, Service
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_insights.main import open_service
from dangol_insights.place import open_archive
from tests.support.house import SECRET, app_of, at_work, client_of, open_house, until
from tests.support.records import event


def reading(house: House) -> AbstractAsyncContextManager[Service]:
    """The role at work."""
    return at_work(open_service(house))


def said(id: str) -> Outgoing:
    """An event of u1 on its way to the log."""
    return Outgoing(Topic.EVENTS, "default/u1", encode(event(id=id)), id)


async def archived(service: Service, house: House) -> list[str]:
    """The ids of what the role answers with, once it has read all there is."""
    async with asyncio.timeout(20):
        while not await service.idle(utc_now() - timedelta(milliseconds=1)):  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0.01)
    async with client_of(app_of(house, service.router), SECRET) as client:
        answer = await client.get("/api/events")
        assert (await client.get("/api/why?user_id=u1")).status_code == 200
    return sorted(one["id"] for one in answer.json()["events"])


async def count(db: Db, table: str) -> int:
    """How many rows it has."""
    async with db.transaction() as conn:
        return int((await conn.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_it_is_kept_with_its_positions_in_the_database_named(tmp_path: Path) -> None:
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house:
        await house.stream.append([said("e1"), said("e2")])
        async with reading(house) as service:
            assert await archived(service, house) == ["e1", "e2"]
        assert await count(house.db, "archive_event") == await count(house.db, "position") == 0
        async with reading(house) as service:  # it goes on where it was
            await house.stream.append([said("e3")])
            assert await archived(service, house) == ["e1", "e2", "e3"]
    own = await open_db(f"sqlite:///{tmp_path}/archive.db", utc_now)
    assert await count(own, "archive_event") == 3
    assert await count(own, "position") == 2
    await own.close()


async def test_one_begun_beside_the_state_stays_there(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.stream.append([said("e1")])
        async with reading(house) as service:
            assert await archived(service, house) == ["e1"]
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house:
        await house.stream.append([said("e2")])
        async with reading(house) as service:
            assert await archived(service, house) == ["e1", "e2"]
    assert not (tmp_path / "archive.db").exists()


async def test_an_old_folder_that_never_had_an_event_keeps_its_archive_and_prunes_its_log(tmp_path: Path) -> None:
    """Caught: positions at 0 left beside the state, which no archive elsewhere moves on."""
    async with open_house(tmp_path) as house, reading(house) as service:
        await archived(service, house)
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house, reading(house) as service:
        await house.stream.append([said("e1"), said("e2")])
        assert await archived(service, house) == ["e1", "e2"]
        assert await house.stream.prune(utc_now() + timedelta(days=1)) >= 1  # type: ignore[attr-defined]


async def test_an_empty_file_is_no_archive(tmp_path: Path) -> None:
    """As `sqlite3 archive.db .backup` leaves one where there is none. Caught: taken for the archive."""
    async with open_house(tmp_path) as house, reading(house) as service:
        await house.stream.append([said("e1")])
        assert await archived(service, house) == ["e1"]
    (tmp_path / "archive.db").touch()
    for _ in range(2):
        async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house, reading(house) as service:
            assert await archived(service, house) == ["e1"]


async def test_who_was_forgotten_stays_forgotten(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.stream.append([said("e1")])
        async with reading(house) as service:
            assert await archived(service, house) == ["e1"]
            async with client_of(app_of(house, service.router), SECRET) as client:
                assert (await client.delete("/api/archive?user_id=u1")).status_code == 200
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house, reading(house) as service:
        assert await archived(service, house) == []


async def test_of_two_the_one_named_is_used(tmp_path: Path) -> None:
    """As after a release was taken back, and put in again."""
    named = f"sqlite:///{tmp_path}/archive.db"
    async with open_house(tmp_path, archive=named) as house, reading(house) as service:
        await house.stream.append([said("e1")])
        assert await archived(service, house) == ["e1"]
    async with open_house(tmp_path) as house, reading(house) as service:
        await house.stream.append([said("e2")])
        assert await archived(service, house) == ["e1", "e2"]
    async with open_house(tmp_path, archive=named) as house, reading(house) as service:
        assert await archived(service, house) == ["e1", "e2"]
        assert not await count(house.db, "position")


async def test_one_that_other_processes_read_is_not_left_behind(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.stream.append([said("e1")])
        async with reading(house) as service:
            await archived(service, house)
        elsewhere = replace(house.settings, log="kafka://nowhere:1", archive=f"sqlite:///{tmp_path}/archive.db")
        with pytest.raises(Invalid, match="has an archive already") as refused:
            async with open_archive(replace(house, settings=elsewhere)):
                pass
        assert refused.value.where == "DANGOL_ARCHIVE"


async def test_a_log_that_lost_its_end_to_a_power_cut_is_read_on_from_its_end(tmp_path: Path) -> None:
    """Caught: a position ahead of the log left where it is, or held against a log that has grown since it was opened:
    what came then was never archived."""
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house:
        await house.stream.append([said("e1")])
        await house.stream.append([said("lost"), said("lost too")])
        async with reading(house) as service:
            assert await archived(service, house) == ["e1", "lost", "lost too"]
        async with house.db.transaction() as conn:  # as a power cut takes back what did not wait for the disk
            await conn.execute(text("DELETE FROM logged WHERE id > 1"))
            await conn.execute(text("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'logged'"))
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house:
        await house.stream.append([said(f"e{number}") for number in range(2, 7)])  # the other roles are faster
        async with reading(house) as service:
            assert await archived(service, house) == ["e1", "e2", "e3", "e4", "e5", "e6", "lost", "lost too"]


async def test_a_log_keeps_what_an_archive_apart_has_not_read(tmp_path: Path) -> None:
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house:
        await house.stream.append([said("e1"), said("e2")])
        async with reading(house) as service:
            assert await archived(service, house) == ["e1", "e2"]
            await house.stream.append([said("e3")])
            assert await archived(service, house) == ["e1", "e2", "e3"]
            await until(lambda: service.stuck() is None)
            assert await house.stream.prune(utc_now() + timedelta(days=1)) >= 2  # type: ignore[attr-defined]
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house:
        own = house.stream.reader(Topic.EVENTS, "insights", "tester", _nobody)
        await house.stream.append([said("e4")])
        assert await house.stream.prune(utc_now() + timedelta(days=1)) == 0  # type: ignore[attr-defined] # shown nothing
        await own.show({0: 100})
        assert await house.stream.prune(utc_now() + timedelta(days=1)) >= 1  # type: ignore[attr-defined]


async def _nobody(_partitions: object) -> None:
    return None


async def test_an_archive_made_by_itself_has_its_tables(tmp_path: Path) -> None:
    async with open_house(tmp_path, archive=f"sqlite:///{tmp_path}/archive.db") as house, open_archive(house) as db:
        assert db is not house.db
        await migrate(db)
        assert await count(db, "archive_decision") == 0
