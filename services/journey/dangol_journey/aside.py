"""Inputs set aside: what raised, kept with its traceback until somebody looks, and plays it again."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.codec import encode
from dangol.decisions import Decision, Reason, Verdict
from dangol.events import Event, key_of
from dangol.names import named
from dangol.rows import INTEGER, MOMENT, TEXT, Shape, execute, moment_for
from dangol.stream import Record
from dangol_journey.deciding import Raised
from dangol_journey.model import Person

_SHAPE = Shape(
    (
        ("id", TEXT),
        ("workspace", TEXT),
        ("profile", TEXT),
        ("kind", TEXT),
        ("input", TEXT),
        ("error", TEXT),
        ("definitions", INTEGER),
        ("at", MOMENT),
    )
)
_PUT = """INSERT INTO set_aside (id, workspace, profile, kind, input, error, definitions, at)
    SELECT id, workspace, profile, kind, input, error, definitions, at FROM {r} WHERE true ORDER BY id
    ON CONFLICT (id) DO UPDATE SET error = excluded.error, definitions = excluded.definitions, replayed_at = NULL"""
_REPLAYED = "UPDATE set_aside SET replayed_at = :now WHERE id = :id"
_FORGET = "DELETE FROM set_aside WHERE profile = :profile"


@dataclass(frozen=True, slots=True)
class Aside:
    """One input set aside. `input` is an event's JSON, a wake's moment, or a record's bytes in base64."""

    id: str
    workspace: str
    profile: str
    kind: str
    input: str
    error: str
    decision: Decision


def aside_event(event: Event, profile: str, error: str, now: datetime) -> Aside:
    """An event that raised, or that the database refused."""
    id = named("set_aside", event.workspace, event.id)
    about = {"input": _plain(event.id), "input_name": _plain(event.name), "profile": profile or None}
    ids = {"user_id": _plain(event.user_id or "") or None, "anonymous_id": _plain(event.anonymous_id or "") or None}
    decision = _failed(id, event.workspace, key_of(event), error, now, **about, **ids)
    return Aside(id, _plain(event.workspace), profile, "event", encode(event).decode(), _plain(error), decision)


def aside_wake(raised: Raised, person: Person, at: datetime, now: datetime) -> Aside:
    """A moment that raised; each person has one of these at most."""
    id = named("set_aside", person.id, "wake")
    decision = _failed(id, person.workspace, person.key, raised.error, now, profile=person.id, user_id=person.user_id)
    return Aside(id, person.workspace, person.id, "wake", at.isoformat(), raised.error, decision)


def aside_record(record: Record, error: str, now: datetime) -> Aside:
    """A record that says nothing we understand."""
    workspace = _plain(record.key.partition("/")[0])
    id = named("set_aside", record.topic, record.partition, record.offset)
    decision = _failed(id, workspace, record.key, error, now)
    return Aside(id, workspace, "", "record", base64.b64encode(record.value).decode(), error, decision)


async def put(conn: AsyncConnection, asides: Sequence[Aside], definitions: int, now: datetime) -> None:
    """Keep them; one that is there already has its newest error."""
    kept = {one.id: one for one in asides}.values()
    rows = [(a.id, a.workspace, a.profile, a.kind, a.input, a.error, definitions, now) for a in kept]
    if rows:
        await execute(conn, _PUT, _SHAPE, rows)


async def mark_replayed(conn: AsyncConnection, id: str, now: datetime) -> None:
    """Say that it was played again; setting the same input aside once more takes that back."""
    await conn.execute(text(_REPLAYED), {"id": id, "now": moment_for(conn, now)})


async def forget(conn: AsyncConnection, profile: str) -> None:
    """Forget what was set aside of an erased person."""
    await conn.execute(text(_FORGET), {"profile": profile})


def event_of(input: str) -> Event:
    """The event that was set aside."""
    return msgspec.json.decode(input, type=Event)


def _failed(id: str, workspace: str, key: str, error: str, now: datetime, **about: Any) -> Decision:
    return Decision(
        workspace=_plain(workspace),
        id=named("failed", id),
        at=now,
        by="journey",
        verdict=Verdict.FAILED,
        reason=Reason.RAISED,
        key=_plain(key),
        details={"error": _plain(error.strip().rpartition("\n")[2]), "set_aside": id},
        **about,
    )


def _plain(words: str) -> str:
    """Text every database takes: PostgreSQL refuses NUL."""
    return words.replace("\x00", "\ufffd")
