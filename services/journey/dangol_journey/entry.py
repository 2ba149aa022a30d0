"""Who enters: every journey whose entry an event names answers, with its reason."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dangol.decisions import Entry, Reason, Verdict
from dangol.events import Event
from dangol.names import named
from dangol_journey.journey import Definitions, Journey, Missing
from dangol_journey.model import Enrolment
from dangol_journey.scope import met, scope_of
from dangol_journey.turn import Turn, decide, live, unknown

MAX_KEY_BYTES = 256
MAX_HELD = 200  # runs of one journey by one person that are live or may reach their goal: each costs every event
MAX_SEEN, MAX_SEEN_BYTES = 50, 64 * 1024
BUCKETS = 10_000
GOAL_WITHIN = timedelta(days=30)  # a goal that names no span


def entry_keys(definitions: Definitions, event: Event) -> tuple[str, ...]:
    """The "journey␟key" pairs an event may enter, for which `Person.entered` must be loaded."""
    name = definitions.aliases.get(event.name, event.name)
    scope = {"event": event.properties, "context": event.context}
    keys = ((journey, key_of(journey, scope)) for journey in definitions.entries.get(name, ()))
    return tuple(_pair(journey, key) for journey, key in keys if key is not None and journey.enter.again != timedelta())


def key_of(journey: Journey, scope: Mapping[str, Any]) -> str | None:
    """The key of the enrolment an event would make: one cart, one product; "" without one; None where there is none."""
    if journey.enter.key is None:
        return ""
    try:
        value = journey.enter.key.value(scope)
    except Missing:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 7 and 7.0 are one product
    key = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    return key if key and len(key.encode()) <= MAX_KEY_BYTES else None


def consider(turn: Turn) -> list[Enrolment]:
    """Hold the event against every entry that names it: one decision lists all answers. The enrolments that began."""
    journeys = turn.definitions.entries.get(turn.name, ())
    if not journeys or turn.event is None:
        return []
    answers = [_answer(turn, turn.event, journey) for journey in journeys]
    entries = tuple(entry for entry, _ in answers)
    entered = any(entry.entered for entry in entries)
    decide(turn, Verdict.CONSIDERED, Reason.MATCHED if entered else entries[0].reason, entries=entries)
    began = [enrolment for _, enrolment in answers if enrolment is not None]
    turn.person.enrolments += began
    for enrolment in began:
        turn.person.entered[f"{enrolment.journey}\x1f{enrolment.key}"] = enrolment.entered_at
    return began


def in_holdout(journey: Journey, person: str) -> bool:
    """Whether a person is of a journey's control group: the same answer for ever, and independent between journeys."""
    if journey.holdout == 0:
        return False
    digest = hashlib.sha256(f"{journey.name}\x1f{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS < journey.holdout


def _answer(turn: Turn, event: Event, journey: Journey) -> tuple[Entry, Enrolment | None]:
    key = key_of(journey, {"event": event.properties, "context": event.context})
    inside = _inside(turn, journey, key)
    if inside is not None and not event.backfill:
        _update(inside, event, turn.moment)
        return _entry(journey, Reason.ALREADY_INSIDE, key, inside), None
    reason, details = _refusal(turn, event, journey, key)
    if reason or key is None:
        return _entry(journey, reason, key, None, details), None
    enrolment = _enrol(turn, event, journey, key)
    return _entry(journey, Reason.MATCHED, key, enrolment), enrolment


def _entry(
    journey: Journey, reason: str, key: str | None, enrolment: Enrolment | None, details: dict[str, Any] | None = None
) -> Entry:
    return Entry(
        journey=journey.name,
        version=journey.version,
        entered=reason == Reason.MATCHED,
        reason=reason,
        key=key or "",
        enrolment=enrolment.id if enrolment else None,
        details=details or {},
    )


def _refusal(turn: Turn, event: Event, journey: Journey, key: str | None) -> tuple[str, dict[str, Any]]:
    """Why the event does not enter, and what the sentence needs; an empty reason where it does."""
    if event.backfill:
        return Reason.BACKFILLED, {}
    if turn.now - turn.moment > journey.enter.late:
        return Reason.TOO_LATE, {"at": turn.moment, "late": str(journey.enter.late)}
    try:
        if journey.enter.where is not None and journey.enter.where.value(scope_of(turn)) is not True:
            return Reason.WHERE_NOT_MET, {"where": journey.enter.where.source}
    except Missing as missing:
        return unknown(missing.path), {"where": journey.enter.where.source if journey.enter.where else ""}
    if journey.paused:
        return Reason.PAUSED, {}
    if key is None:
        return Reason.NO_KEY, {"key": journey.enter.key.source if journey.enter.key else ""}
    return _before(turn, event, journey, key)


def _before(turn: Turn, event: Event, journey: Journey, key: str) -> tuple[str, dict[str, Any]]:
    """Why what the person did before forbids it."""
    before = turn.person.entered.get(_pair(journey, key))
    if before is not None and _too_soon(journey.enter.again, turn.moment - before):
        return Reason.ENTERED_BEFORE, {"at": before}
    if sum(one.journey == journey.name for one in turn.person.enrolments) >= MAX_HELD:
        return Reason.TOO_MANY, {"at_most": MAX_HELD}
    over = _over(turn, event, journey)
    return (Reason.ALREADY_OVER, {"by": over}) if over else ("", {})


def _pair(journey: Journey, key: str) -> str:
    return f"{journey.name}\x1f{key}"


def _too_soon(again: timedelta | None, since: timedelta) -> bool:
    return again is None or (again > timedelta() and since < again)


def _over(turn: Turn, event: Event, journey: Journey) -> str:
    """The exit that happened after this entry although it was told before it; empty where none did."""
    own = event.properties
    for item in turn.person.remembered:
        for rule in journey.exits:
            after = item.event == rule.event and item.at > turn.moment
            if after and met(turn, rule.where, event=item.properties, entry=own, latest=own):
                return rule.name or rule.event
    return ""


def _inside(turn: Turn, journey: Journey, key: str | None) -> Enrolment | None:
    mine = (one for one in live(turn.person) if one.journey == journey.name and one.key == key)
    return next(mine, None) if key is not None else None


def _update(enrolment: Enrolment, event: Event, moment: datetime) -> None:
    """Who is inside enters no second time: the newest event of the kind becomes `latest`."""
    if enrolment.latest_at is None or moment >= enrolment.latest_at:
        enrolment.latest, enrolment.latest_at = event.properties, moment
    enrolment.seen = [*(enrolment.seen or [enrolment.entry]), event.properties][-MAX_SEEN:]
    while len(enrolment.seen) > 1 and len(msgspec.json.encode(enrolment.seen)) > MAX_SEEN_BYTES:
        del enrolment.seen[0]


def _enrol(turn: Turn, event: Event, journey: Journey, key: str) -> Enrolment:
    goal = journey.goal
    return Enrolment(
        id=named("enrolment", turn.person.id, journey.name, key, event.id),
        journey=journey.name,
        version=journey.version,
        key=key,
        entered_at=turn.moment,
        entry_input=event.id,
        step_at=turn.moment,
        entry=event.properties,
        latest_at=turn.moment,
        holdout=in_holdout(journey, turn.person.id),
        goal_until=turn.moment + (goal.within or GOAL_WITHIN) if goal else None,
    )
