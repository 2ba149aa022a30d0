"""The machine: what a person's inputs make of the person, and what should be said. Pure: nothing is done here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from dangol.decisions import Reason, Verdict
from dangol.events import Event
from dangol_journey.endings import exits, goals, missed_goal
from dangol_journey.entry import consider, entry_keys
from dangol_journey.joining import erase, merge
from dangol_journey.journey import Definitions, Send, Wait, Webhook
from dangol_journey.model import Advanced, Enrolment, Input, Onward, Person, Wake
from dangol_journey.profile import learn
from dangol_journey.sending import after_fate, after_silence, told
from dangol_journey.turn import Turn, decide, journey_of, live, paused
from dangol_journey.waiting import come_true, fire, hear, retime
from dangol_journey.walk import leave, walk

__all__ = ["MAX_HOPS", "advance", "entry_keys", "erase", "merge"]

MAX_HOPS = 10
PAUSE_LOOK = timedelta(minutes=10)  # how often a due enrolment of a paused journey is looked at again


def advance(definitions: Definitions, person: Person, inputs: Sequence[Input], now: datetime) -> Advanced:
    """Apply inputs in order, each to what the ones before it made of the person.

    `person` stays as it is; `Advanced.person` is the new one, with its `wake_at` and with the enrolments
    that ended. The same arguments give the same answer, to the byte; a repeat of an input is the store's to know.
    """
    out = Advanced(_own(person, now))
    for given in inputs:
        if out.person.erased or out.person.merged_into:
            break
        match given:
            case Event():
                event = _in_time(given)
                _take_event(Turn(definitions, now, event.at, event, out))
            case Wake():
                _take_wake(Turn(definitions, now, min(given.at, now), None, out))
            case _:
                assert_never(given)
    out.person.wake_at = _wake_at(definitions, out.person, now)
    return out


def _in_time(event: Event) -> Event:
    """The event, not later than it was received: a clock ahead of ours must not outrank what comes after."""
    return event if event.at <= event.received_at else replace(event, at=event.received_at)


def _take_event(turn: Turn) -> None:
    """One event: what it tells of the person, what it ends, what waited for it, and whom it lets in."""
    event = turn.event
    if event is None:
        return
    learn(turn, event)
    heard = told(turn)
    if event.hops > MAX_HOPS:
        decide(turn, Verdict.LOOP, Reason.LOOPED, hops=event.hops)
        return
    if turn.name in turn.definitions.remembered:  # every event that an exit or a goal names
        exits(turn)
        goals(turn)
    if heard is not None:
        _settle(turn, *heard)
    waiting = [] if event.backfill else live(turn.person)
    began = consider(turn)
    for enrolment in waiting:
        _hear(turn, enrolment)
    for enrolment in began:
        missed_goal(turn, enrolment)
        journey = journey_of(turn.definitions, enrolment)
        walk(turn, enrolment, Onward(journey.first if journey else None, enrolment.step_at))
    _stir(turn)


def _take_wake(turn: Turn) -> None:
    """A moment that came: what is due fires, the earliest first, and what that makes due as well."""
    moment = turn.moment
    while (enrolment := _earliest(turn, moment)) is not None:
        turn.moment = enrolment.due_at or moment
        before = (enrolment.state, enrolment.visit, enrolment.due_at)
        walk(turn, enrolment, _fire(turn, enrolment))
        if enrolment.status == "live" and (enrolment.state, enrolment.visit, enrolment.due_at) == before:
            leave(turn, enrolment, Reason.UNPUBLISHED)  # its state knows no moment: it must not be woken for ever
    turn.moment = moment
    _stir(turn)


def _earliest(turn: Turn, moment: datetime) -> Enrolment | None:
    timed = [one for one in live(turn.person) if one.due_at is not None and one.due_at <= moment]
    due = [one for one in timed if not paused(turn.definitions, one)]
    return min(due, key=lambda one: (one.due_at or moment, one.id), default=None)


def _fire(turn: Turn, enrolment: Enrolment) -> Onward | None:
    journey = journey_of(turn.definitions, enrolment)
    state = journey.states.get(enrolment.state or "") if journey else None
    match state:
        case Wait():
            return fire(turn, enrolment, state)
        case Send() | Webhook():
            return after_fate(turn, enrolment, state) or after_silence(turn, enrolment, state)
        case _:
            return None


def _settle(turn: Turn, enrolment: Enrolment, step: str) -> None:
    """Let an enrolment that waits for this message's fate go on; of a paused journey, once it is resumed."""
    journey = journey_of(turn.definitions, enrolment)
    state = journey.states.get(step) if journey else None
    if enrolment.status != "live" or enrolment.state != step or not isinstance(state, Send | Webhook):
        return
    if paused(turn.definitions, enrolment):
        enrolment.due_at = turn.moment
    else:
        walk(turn, enrolment, after_fate(turn, enrolment, state))


def _hear(turn: Turn, enrolment: Enrolment) -> None:
    """Let an enrolment that waits hear the input, or move its moment."""
    journey = journey_of(turn.definitions, enrolment)
    state = journey.states.get(enrolment.state or "") if journey else None
    if enrolment.status != "live" or not isinstance(state, Wait) or paused(turn.definitions, enrolment):
        return
    onward = hear(turn, enrolment, state) if state.heard is None or turn.name in state.heard else None
    if onward is not None:
        walk(turn, enrolment, onward)
    elif state.movable:
        retime(turn, enrolment, state)


def _stir(turn: Turn) -> None:
    """Traits that steps set may make conditions true that wait: at most 10 times around."""
    for _ in range(MAX_HOPS):
        if not turn.stirred:
            return
        turn.stirred = False
        for enrolment in live(turn.person):
            journey = journey_of(turn.definitions, enrolment)
            state = journey.states.get(enrolment.state or "") if journey else None
            if isinstance(state, Wait) and not paused(turn.definitions, enrolment):
                walk(turn, enrolment, come_true(turn, enrolment, state))
    if turn.stirred:
        decide(turn, Verdict.LOOP, Reason.LOOPED, about=turn.moment.isoformat(), hops=MAX_HOPS)


def _wake_at(definitions: Definitions, person: Person, now: datetime) -> datetime | None:
    """The earliest moment of the live enrolments; those of a paused journey are looked at again later."""
    held, later = definitions.paused, now + PAUSE_LOOK
    return min(
        (
            max(enrolment.due_at, later) if enrolment.journey in held else enrolment.due_at
            for enrolment in person.enrolments
            if enrolment.due_at is not None and enrolment.status == "live"
        ),
        default=None,
    )


def _own(person: Person, now: datetime) -> Person:
    """A copy that may be changed: what events brought is shared, for it never changes. What is long over is let go."""
    return replace(
        person,
        anonymous_ids=list(person.anonymous_ids),
        traits=dict(person.traits),
        trait_times=dict(person.trait_times),
        computed=dict(person.computed),
        stated=dict(person.stated),
        entered=dict(person.entered),
        enrolments=[_copy(one, now) for one in person.enrolments if one.status == "live" or one.goal_until is not None],
    )


def _copy(one: Enrolment, now: datetime) -> Enrolment:
    own = replace(
        one,
        visits=dict(one.visits),
        results=dict(one.results),
        sends={name: replace(sent) for name, sent in one.sends.items()} if one.sends else {},
    )
    if own.status != "live" and own.goal_until is not None and own.goal_until < now - timedelta(days=7):
        own.goal_until = None
    return own
