"""The reference of the journey worker: the bare SQL of six effects for 1,000 people, in one transaction.

{remember the event's id, load the person and what it is inside of, save the state, set the moment, put the message
into the outbox, move the position}, with the texts given: no deciding, no JSON read or written. Lists go as arrays
(`unnest`) on PostgreSQL and as one JSON parameter (`json_each`) on SQLite; no generic plans.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg
import msgspec

from dangol.db_open import PRAGMAS, SERVER_SETTINGS

TABLES = (
    "CREATE TABLE ref_seen (id text PRIMARY KEY, hash text, at {moment})",
    "CREATE TABLE ref_person (id text PRIMARY KEY, home integer, state text, wake_at {moment})",
    "CREATE INDEX ref_wake ON ref_person (home, wake_at) WHERE wake_at IS NOT NULL",
    "CREATE TABLE ref_enrolment (id text PRIMARY KEY, person text, state text, due_at {moment})",
    "CREATE INDEX ref_open ON ref_enrolment (person)",
    "CREATE TABLE ref_outbox (id {number} PRIMARY KEY, home integer, key text, value {bytes})",
    "CREATE TABLE ref_position (name text PRIMARY KEY, position bigint)",
    "INSERT INTO ref_position VALUES ('events', 0)",
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Texts:
    """What is written for one person: as many bytes as the product writes."""

    person: str
    enrolment: str
    message: bytes


class Effects(Protocol):
    """The six, on one database."""

    async def seed(self, people: Sequence[str], texts: Texts) -> None:
        """These people known, before anything is timed."""

    async def batch(self, people: Sequence[str], texts: Texts) -> None:
        """One transaction for these people, met once each."""

    async def close(self) -> None:
        """Give the connection back."""


# PostgreSQL's: what reads lists reads them from arrays, and joins laterally, one look a person
_MOVE = "UPDATE ref_position SET position = $2 WHERE name = 'events' AND position = $1"
_REMEMBER = """INSERT INTO ref_seen SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
    ON CONFLICT (id) DO NOTHING RETURNING id"""
_LOAD = """SELECT p.id, p.state, e.state FROM unnest($1::text[]) AS r(id)
    CROSS JOIN LATERAL (SELECT id, state FROM ref_person WHERE id = r.id OFFSET 0) p
    LEFT JOIN LATERAL (SELECT state FROM ref_enrolment WHERE person = r.id OFFSET 0) e ON true"""
_SAVE = """INSERT INTO ref_enrolment SELECT *
    FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS r(id, person, state, due_at)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at"""
_SET_MOMENT = """INSERT INTO ref_person SELECT *
    FROM unnest($1::text[], $2::int[], $3::text[], $4::timestamptz[]) AS r(id, home, state, wake_at)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, wake_at = excluded.wake_at"""
_SAY = "INSERT INTO ref_outbox (home, key, value) SELECT * FROM unnest($1::int[], $2::text[], $3::bytea[])"
_SEED = "INSERT INTO ref_person SELECT id, 0, $2 FROM unnest($1::text[]) AS r(id)"


class PostgresEffects:
    """One asyncpg connection."""

    def __init__(self, connection: Any) -> None:
        self._conn, self._number = connection, 0

    async def seed(self, people: Sequence[str], texts: Texts) -> None:
        """See `Effects`."""
        await self._conn.execute(_SEED, people, texts.person)
        await self._conn.execute("ANALYZE ref_person")

    async def batch(self, people: Sequence[str], texts: Texts) -> None:
        """See `Effects`."""
        conn, each, number = self._conn, len(people), self._number
        self._number += 1
        ids = [f"{number:06d}-{person}" for person in people]
        ats, homes = [AT] * each, [0] * each
        async with conn.transaction():
            await conn.execute(_MOVE, number, number + 1)
            await conn.fetch(_REMEMBER, ids, ids, ats)
            await conn.fetch(_LOAD, people)
            await conn.execute(_SAVE, ids, people, [texts.enrolment] * each, ats)
            await conn.execute(_SET_MOMENT, people, homes, [texts.person] * each, ats)
            await conn.execute(_SAY, homes, people, [texts.message] * each)

    async def close(self) -> None:
        """See `Effects`."""
        await self._conn.close()


class SqliteEffects:
    """One connection of the standard library, in this thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._conn, self._number = connection, 0

    async def seed(self, people: Sequence[str], texts: Texts) -> None:
        """See `Effects`."""
        rows = "INSERT INTO ref_person SELECT value, 0, ?, NULL FROM json_each(?)"
        self._conn.execute(rows, (texts.person, _json(people)))

    async def batch(self, people: Sequence[str], texts: Texts) -> None:
        """See `Effects`."""
        number = self._number
        self._number += 1
        run, at = self._conn.execute, AT.isoformat(timespec="microseconds")
        ids = [f"{number:06d}-{person}" for person in people]
        run("BEGIN IMMEDIATE")
        run("UPDATE ref_position SET position = ? WHERE name = 'events' AND position = ?", (number + 1, number))
        run(
            """INSERT INTO ref_seen SELECT value, value, ? FROM json_each(?) WHERE true
            ON CONFLICT (id) DO NOTHING RETURNING id""",
            (at, _json(ids)),
        ).fetchall()
        run(
            """SELECT p.id, p.state, e.state FROM json_each(?) r JOIN ref_person p ON p.id = r.value
            LEFT JOIN ref_enrolment e ON e.person = r.value""",
            (_json(people),),
        ).fetchall()
        run(
            f"""INSERT INTO ref_enrolment {_select(4)} ON CONFLICT (id)
            DO UPDATE SET state = excluded.state, due_at = excluded.due_at""",
            (_json([(id, who, texts.enrolment, at) for id, who in zip(ids, people, strict=True)]),),
        )
        run(
            f"""INSERT INTO ref_person {_select(4)} ON CONFLICT (id)
            DO UPDATE SET state = excluded.state, wake_at = excluded.wake_at""",
            (_json([(who, 0, texts.person, at) for who in people]),),
        )
        said = texts.message.decode()
        run(
            f"INSERT INTO ref_outbox (home, key, value) {_select(3)}",
            (_json([(0, who, said) for who in people]),),
        )
        run("COMMIT")

    async def close(self) -> None:
        """See `Effects`."""
        self._conn.close()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _select(columns: int) -> str:
    fields = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(columns))
    return f"SELECT {fields} FROM json_each(?) WHERE true"


async def open_effects(url: str) -> Effects:
    """On the product's own PostgreSQL database, or on a SQLite file beside its own; its tables made."""
    if url.startswith("sqlite"):
        conn = sqlite3.connect(url.removeprefix("sqlite:///") + ".reference", isolation_level=None)
        for pragma in PRAGMAS:
            conn.execute(f"PRAGMA {pragma}")
        for table in TABLES:
            conn.execute(table.format(moment="text", number="INTEGER", bytes="blob"))
        return SqliteEffects(conn)
    connection = await asyncpg.connect(url, server_settings=SERVER_SETTINGS)
    for table in TABLES:
        made = table.format(moment="timestamptz", number="bigint GENERATED ALWAYS AS IDENTITY", bytes="bytea")
        await connection.execute(made)
    return PostgresEffects(connection)
