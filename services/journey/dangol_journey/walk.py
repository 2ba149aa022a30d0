"""An enrolment's way through its states: entering each, until it waits, and leaving."""

from datetime import datetime, timedelta
from typing import Any, assert_never

from dangol.decisions import Reason, Verdict
from dangol_journey.journey import (
    Branch,
    Coupon,
    Expression,
    Go,
    Journey,
    Leave,
    Missing,
    Send,
    SetTraits,
    State,
    Wait,
    Webhook,
)
from dangol_journey.model import Enrolment, Onward
from dangol_journey.scope import met, scope_of
from dangol_journey.sending import ask, promise, take_back
from dangol_journey.turn import Turn, decide, journey_of, outline, tell_facts
from dangol_journey.waiting import park

MAX_STATES = 100  # entered by one enrolment in one turn; more is a loop


def walk(turn: Turn, enrolment: Enrolment, onward: Onward | None) -> None:
    """Go on from state to state until one waits, or the end is reached. None: stay."""
    journey = journey_of(turn.definitions, enrolment)
    while onward is not None and enrolment.status == "live":
        if onward.to is None:
            finish(turn, enrolment, onward)
            return
        state = journey.states.get(onward.to) if journey else None
        turn.walked[enrolment.id] = turn.walked.get(enrolment.id, 0) + 1
        if journey is None or state is None:
            leave(turn, enrolment, Reason.UNPUBLISHED)
            return
        if turn.walked[enrolment.id] > MAX_STATES:
            decide(turn, Verdict.LOOP, Reason.LOOPED, enrolment, states=MAX_STATES)
            leave(turn, enrolment, Reason.LOOPED)
            return
        _begin(enrolment, onward)
        onward = _enter(turn, journey, enrolment, state)


def finish(turn: Turn, enrolment: Enrolment, onward: Onward) -> None:
    """Come to the end."""
    _end(enrolment, "finished", Reason.END)
    enrolment.ended_at = onward.at
    decide(turn, Verdict.FINISHED, Reason.END, enrolment)


def leave(turn: Turn, enrolment: Enrolment, reason: str, name: str = "") -> None:
    """Leave before the end, at the input's moment: the timer is freed, and what is not yet said is taken back."""
    take_back(turn, enrolment, reason)
    _end(enrolment, "exited", name or reason)
    enrolment.ended_at = turn.moment
    details: dict[str, Any] = {"as": name, "at": turn.moment}
    decide(turn, Verdict.EXITED, reason, enrolment, **details)


def _begin(enrolment: Enrolment, onward: Onward) -> None:
    name = onward.to or ""
    enrolment.visits[name] = enrolment.visits.get(name, 0) + 1
    enrolment.state, enrolment.visit = name, enrolment.visits[name]
    enrolment.step_at, enrolment.due_at = onward.at, None


def _end(enrolment: Enrolment, status: str, reason: str) -> None:
    enrolment.status, enrolment.end_reason, enrolment.due_at = status, reason, None
    if enrolment.converted:
        enrolment.goal_until = None


def _enter(turn: Turn, journey: Journey, enrolment: Enrolment, state: State) -> Onward | None:
    """Do what the state says: where to go next, or None to stay (or because it left)."""
    at = enrolment.step_at
    match state:
        case Wait():
            return _park(turn, enrolment, state)
        case Branch():
            return _branch(turn, enrolment, state)
        case Send() | Webhook():
            ask(turn, journey, enrolment, state)
            return None
        case Coupon():
            promise(turn, enrolment, state)
            return Onward(state.next, at)
        case SetTraits():
            _set(turn, enrolment, state)
            return Onward(state.next, at)
        case Go():
            again = enrolment.visit <= state.at_most
            return Onward(state.to if again else state.next, at)
        case Leave():
            leave(turn, enrolment, Reason.END, state.reason)
            return None
        case _:
            assert_never(state)


def _park(turn: Turn, enrolment: Enrolment, state: Wait) -> Onward | None:
    parked = park(turn, enrolment, state)
    if isinstance(parked, str):
        leave(turn, enrolment, parked)
        return None
    return parked


def _branch(turn: Turn, enrolment: Enrolment, state: Branch) -> Onward:
    for condition, to in state.ways:
        if met(turn, condition, enrolment):
            way, reason = (condition.source, Reason.MATCHED) if condition else ("else", Reason.ELSE)
            decide(turn, Verdict.CHOSE, reason, enrolment, way=way)
            return Onward(to, enrolment.step_at)
    decide(turn, Verdict.CHOSE, Reason.ELSE, enrolment, way="none")
    return Onward(state.next, enrolment.step_at)


def _set(turn: Turn, enrolment: Enrolment, state: SetTraits) -> None:
    """Set traits; a value that names what is not there is not set, and said."""
    before, person = outline(turn.definitions, turn.person), turn.person
    scope, missing, changed = scope_of(turn, enrolment), [], []
    for name, given in state.traits.items():
        try:
            value = _plain(given.value(scope)) if isinstance(given, Expression) else given
        except Missing as error:
            missing.append(error.path)
            continue
        if person.traits.get(name) != value:
            changed.append(name)
        person.traits[name], person.trait_times[name] = value, enrolment.step_at
    turn.stirred |= bool(changed)
    turn.profile = None
    decide(turn, Verdict.SET, Reason.MATCHED, enrolment, traits=sorted(state.traits), unknown=missing)
    tell_facts(turn, before)


def _plain(value: Any) -> Any:
    """A value as a trait is kept: moments as ISO text, spans in seconds."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
