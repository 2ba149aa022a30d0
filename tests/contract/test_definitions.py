"""The numbered set: what is published is in force when the call returns, and nobody acts on an older one after."""

import asyncio
from typing import Any

import pytest

from dangol.db import Db
from dangol.definitions import DefinitionSet, Document, load, number, publish
from dangol.errors import Invalid


def journey(name: str, **body: Any) -> Document:
    """A journey's document."""
    return Document("journey", name, {"journey": name, **body})


async def live(db: Db, at: int | None = None) -> DefinitionSet:
    """The default workspace's set."""
    async with db.transaction() as conn:
        return (await load(conn, at=at))["default"]


async def test_the_first_publication_is_number_one(db: Db) -> None:
    assert await publish(db, "default", [journey("a"), journey("b")], by="me") == 1
    found = await live(db)
    assert (found.number, [one.name for one in found.of("journey")]) == (1, ["a", "b"])
    assert found.one("journey", "a") == Document("journey", "a", {"journey": "a"}, version=1)


async def test_nothing_new_keeps_the_number(db: Db) -> None:
    documents = [journey("a", on="Signed Up")]
    assert await publish(db, "default", documents, by="me") == 1
    assert await publish(db, "default", documents, by="me") == 1


async def test_a_document_keeps_its_version_while_others_change(db: Db) -> None:
    await publish(db, "default", [journey("a"), journey("b")], by="me")
    await publish(db, "default", [journey("a"), journey("b", priority=7), journey("c")], by="me")
    assert {one.name: one.version for one in (await live(db)).of("journey")} == {"a": 1, "b": 2, "c": 2}


async def test_a_rewording_is_kept_and_makes_no_version(db: Db) -> None:
    await publish(db, "default", [journey("a")], by="me")
    reworded = Document("journey", "a", {"journey": "a"}, file="a.yaml", text="journey: a  # why\n", line=3)
    assert await publish(db, "default", [reworded], by="me") == 1
    found = (await live(db)).one("journey", "a")
    assert found is not None
    assert (found.version, found.text, found.line) == (1, "journey: a  # why\n", 3)


async def test_an_older_number_can_be_read(db: Db) -> None:
    await publish(db, "default", [journey("a", x=1), journey("b")], by="me")
    await publish(db, "default", [journey("a", x=2)], by="me")
    older, newer = await live(db, at=1), await live(db)
    assert {one.name: one.body.get("x") for one in older.documents} == {"a": 1, "b": None}
    assert [(one.name, one.body.get("x")) for one in newer.documents] == [("a", 2)]


async def test_workspaces_share_the_numbers_and_nothing_else(db: Db) -> None:
    assert await publish(db, "one", [journey("a")], by="me") == 1
    assert await publish(db, "two", [journey("z")], by="me") == 2
    async with db.transaction() as conn:
        found = await load(conn)
    assert {name: [one.name for one in each.documents] for name, each in found.items()} == {"one": ["a"], "two": ["z"]}
    assert {each.number for each in found.values()} == {2}


async def test_a_stale_base_is_refused(db: Db) -> None:
    await publish(db, "default", [journey("a")], by="me")
    with pytest.raises(Invalid, match="number 1 is in force") as refused:
        await publish(db, "default", [journey("b")], by="me", base=0)
    assert refused.value.code == "stale_base"
    assert await publish(db, "default", [journey("b")], by="me", base=1) == 2


async def test_a_document_that_moved_on_is_refused(db: Db) -> None:
    await publish(db, "default", [journey("a")], by="me")
    await publish(db, "default", [journey("a", x=1)], by="me")
    with pytest.raises(Invalid, match="changed since version 1"):
        await publish(db, "default", [journey("a", x=2)], by="me", expect={("journey", "a"): 1})
    await publish(db, "default", [journey("a", x=2)], by="me", expect={("journey", "a"): 2, ("journey", "b"): 0})


async def test_one_name_twice_is_refused(db: Db) -> None:
    with pytest.raises(Invalid, match="two documents are journey a"):
        await publish(db, "default", [journey("a"), journey("a", x=1)], by="me")


async def test_publishing_waits_for_batches_and_holds_back_the_next(db: Db) -> None:
    """A batch that began under a number commits under it; who begins after the call returned sees the new one."""
    order: list[str] = []
    began = asyncio.Event()

    async def batch() -> None:
        async with db.transaction() as conn:
            assert await number(conn) == 0
            began.set()
            for _ in range(20):  # some work, all of it in the database
                await number(conn)
            order.append("batch")

    async def publication() -> None:
        await began.wait()
        await publish(db, "default", [journey("a")], by="me")
        order.append("published")
        async with db.transaction() as conn:
            assert await number(conn) == 1

    await asyncio.wait_for(asyncio.gather(batch(), publication()), 20)
    assert order == ["batch", "published"]


async def test_two_at_once_get_two_numbers(db: Db) -> None:
    got = await asyncio.gather(*(publish(db, f"w{n}", [journey("a")], by="me") for n in range(8)))
    assert sorted(got) == list(range(1, 9))
