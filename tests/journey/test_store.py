"""What is stored is read again as it was; and whichever statement fails, nothing is left half."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.messages import Address
from dangol.service import House
from dangol_journey import memory
from dangol_journey.batch import settle_events
from dangol_journey.model import Enrolment, Person
from dangol_journey.store import Saving, load_enrolments, load_entered, lock_people, save_people
from tests.support.house import open_house
from tests.support.workshops import did, rows, workshop

AT = datetime(2026, 11, 2, 3, 0, 0, 120000, tzinfo=UTC)
TABLES = ("profile", "identity", "enrolment", "seen_id", "set_aside", "logged")
CART = {"cart_id": "c1", "cart_value": 50000}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
def db(house: House) -> Db:
    return house.db


def someone(id: str = "p1", **more: Any) -> Person:
    return Person(id=id, workspace="default", key="default/u1", created_at=AT, **more)


def inside(id: str, status: str = "live", **more: Any) -> Enrolment:
    given: dict[str, Any] = {"journey": "welcome", "version": 1, "entered_at": AT, "step_at": AT} | more
    return Enrolment(id=id, status=status, **given)


async def save(db: Db, person: Person, *enrolments: Enrolment) -> None:
    async with db.transaction() as conn:
        await save_people(conn, [Saving(person, enrolments, 0, person.wake_at)])


async def load(db: Db, id: str = "p1", now: datetime = AT, pairs: tuple[str, ...] = ()) -> Person:
    async with db.transaction() as conn:
        people = await lock_people(conn, [id])
        await load_enrolments(conn, people, now)
        await load_entered(conn, people, [(id, pair) for pair in pairs])
    return people[id].person


async def test_a_person_comes_back_as_it_was(db: Db) -> None:
    address = Address(kind="email", value="a@example.test", at=AT)
    person = someone(user_id="u1", traits={"name": "한가람", "n": 1.5}, addresses=[address], wake_at=AT, version=3)
    await save(db, person, inside("e1", due_at=AT, visits={"a": 2}))
    person.enrolments = [inside("e1", due_at=AT, visits={"a": 2})]
    assert await load(db) == person


async def test_enrolments_come_in_the_order_they_were_entered_and_ended_ones_stay_away(db: Db) -> None:
    later = inside("a", key="2", entered_at=AT + timedelta(seconds=1))
    await save(db, someone(), later, inside("b", key="1"), inside("c", "finished", ended_at=AT))
    assert [one.id for one in (await load(db)).enrolments] == ["b", "a"]


async def test_one_that_ended_comes_back_while_its_goal_is_open(db: Db) -> None:
    await save(db, someone(), inside("e1", "finished", ended_at=AT, goal_until=AT + timedelta(days=1)))
    assert [one.id for one in (await load(db)).enrolments] == ["e1"]
    assert (await load(db, now=AT + timedelta(days=1))).enrolments == []


async def test_one_may_leave_and_another_enter_in_one_save(db: Db) -> None:
    await save(db, someone(), inside("e1"))
    await save(db, someone(), inside("e0"), inside("e1", "exited", ended_at=AT))
    assert [one.id for one in (await load(db)).enrolments] == ["e0"]


async def test_two_live_of_one_journey_and_key_are_impossible(db: Db) -> None:
    with pytest.raises(Exception, match="UNIQUE"):
        await save(db, someone(), inside("e1"), inside("e2"))


async def test_when_it_last_entered_is_known_for_the_pairs_asked(db: Db) -> None:
    again = AT + timedelta(days=1)
    await save(db, someone(), inside("e1", "finished", ended_at=AT), inside("e2", "finished", entered_at=again))
    assert (await load(db, pairs=("welcome\x1f", "other\x1f"))).entered == {"welcome\x1f": again}


async def test_ids_are_forgotten_by_age_a_page_at_a_time(db: Db) -> None:
    async with db.transaction() as conn:
        await memory.remember(conn, {("default", f"old{n}"): "h" for n in range(memory.PAGE + 1)}, AT)
        await memory.remember(conn, {("default", "new"): "h"}, AT + timedelta(days=1))
    assert [await memory.prune(db, AT + timedelta(hours=1)) for _ in range(3)] == [memory.PAGE, 1, 0]
    assert await rows(db, "SELECT id FROM seen_id") == [("new",)]


class Cut(Exception):
    """The power went."""


@dataclass
class Failing:
    """Raises at the n-th statement of a transaction."""

    left: int

    def __call__(self) -> None:
        if self.left == 0:
            raise Cut
        self.left -= 1


async def test_case_36_whichever_statement_fails_nothing_is_left_half(house: House) -> None:
    """Caught: ids committed ahead of what they led to."""
    shop = workshop(house.db, house.stream)
    events = [did("Signed Up"), did("Product Added", user="u2", properties=CART)]
    failed = 0
    while True:
        try:
            async with house.db.transaction() as conn:
                with _counting(conn, Failing(failed)):
                    await shop.published.refresh(conn)
                    await settle_events(conn, shop, events, datetime.now(UTC))
                break
        except (Cut, StatementError) as error:
            assert isinstance(getattr(error, "orig", error), Cut)
            failed += 1
        assert [await rows(house.db, f"SELECT count(*) FROM {table}") for table in TABLES] == [[(0,)]] * len(TABLES)
    assert failed >= 8
    assert await rows(house.db, "SELECT count(*) FROM enrolment") == [(2,)]


async def test_a_batch_is_a_handful_of_statements_whatever_its_size(house: House) -> None:
    shop = workshop(house.db, house.stream)
    events = [did("Signed Up", user=f"u{n}") for n in range(1000)]
    async with house.db.transaction() as conn:
        counting = Failing(100)
        with _counting(conn, counting):
            await shop.published.refresh(conn)
            await settle_events(conn, shop, events, datetime.now(UTC))
    assert 100 - counting.left <= 16


@contextmanager
def _counting(conn: AsyncConnection, each: Callable[[], None]) -> Iterator[None]:
    """Call `each` whenever a cursor is asked for: once a statement, SQLAlchemy's or our own."""
    assert conn.sync_connection
    driver: Any = conn.sync_connection.connection.driver_connection
    opened = driver.cursor

    def cursor() -> Any:
        each()
        return opened()

    driver.cursor = cursor
    try:
        yield
    finally:
        driver.cursor = opened
