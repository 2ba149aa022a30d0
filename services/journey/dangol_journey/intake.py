"""From records to the events that count: decoded, not seen before, young enough to trigger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from dangol.codec import decode_event
from dangol.decisions import Decision, Reason, Verdict
from dangol.errors import Invalid
from dangol.events import Event, key_of
from dangol.names import named
from dangol.stream import Record

MEMORY = timedelta(days=7)  # how long ids are remembered
SeenKey = tuple[str, str]  # workspace, event id


@dataclass(slots=True)
class Read:
    """What records say: events in log order, and records that say nothing with what is wrong."""

    events: list[Event] = field(default_factory=list)
    unreadable: list[tuple[Record, str]] = field(default_factory=list)


def read(records: Sequence[Record]) -> Read:
    """Decode records."""
    found = Read()
    for record in records:
        try:
            found.events.append(decode_event(record.value))
        except Invalid as error:
            found.unreadable.append((record, error.message))
    return found


def ids_of(events: Sequence[Event]) -> dict[SeenKey, str]:
    """The ids to remember, each with the hash of the first body that came with it."""
    ids: dict[SeenKey, str] = {}
    for event in events:
        ids.setdefault((event.workspace, event.id), event.body_hash)
    return ids


@dataclass(slots=True)
class Fresh:
    """The events that count, how many repeats there were, and those whose id was used for another body."""

    events: list[Event] = field(default_factory=list)
    repeats: int = 0
    reused: list[Event] = field(default_factory=list)


def fresh(events: Sequence[Event], known: Mapping[SeenKey, str], now: datetime) -> Fresh:
    """Sort out repeats, given which ids were `known` before this batch and with which hash."""
    seen, found = dict(known), Fresh()
    for event in events:
        key = (event.workspace, event.id)
        before = seen.get(key)
        if before is None:
            seen[key] = event.body_hash
            found.events.append(_aged(event, now))
        elif before == event.body_hash:
            found.repeats += 1
        else:
            found.reused.append(event)
    return found


def rejected(event: Event, reason: str, now: datetime) -> Decision:
    """That an event changed nothing, and why."""
    return Decision(
        workspace=event.workspace,
        id=named("rejected", reason, event.workspace, event.id, event.body_hash),
        at=now,
        by="journey",
        verdict=Verdict.REJECTED,
        reason=reason,
        key=key_of(event),
        user_id=event.user_id,
        anonymous_id=event.anonymous_id,
        input=event.id,
        input_name=event.name,
    )


def nobody(event: Event, now: datetime) -> Decision:
    """That an event names no person."""
    return rejected(event, f"{Reason.INVALID}: no_id", now)


def _aged(event: Event, now: datetime) -> Event:
    """What is older than the memory of ids may be a repeat nobody recognises: it never triggers."""
    too_old = min(event.at, event.received_at) < now - MEMORY
    return msgspec.structs.replace(event, backfill=True) if too_old else event
