"""Waits: the moment each way is due, what is so already, and which way an event or a moment takes."""

from datetime import datetime, timedelta

from dangol.decisions import Reason, Verdict
from dangol_journey.clockwork import as_moment, last_inside, next_inside
from dangol_journey.journey import (
    After,
    Expression,
    Missing,
    OnEvent,
    OnReceipt,
    Receipt,
    Until,
    Wait,
    Way,
    When,
)
from dangol_journey.model import Enrolment, Onward, Remembered
from dangol_journey.scope import met, scope_of
from dangol_journey.turn import Turn, decide, unknown, zone_of_person


def park(turn: Turn, enrolment: Enrolment, wait: Wait) -> Onward | str | None:
    """Begin to wait: a way that is taken at once, or None to stay, or the reason why no moment of it can be told.

    A moment that is past is left to the next `Wake`: it fires when all that came before it has been handled.
    """
    due, problem = _due(turn, enrolment, wait)
    if due is None:
        return problem
    enrolment.due_at = due
    taken = _already(turn, enrolment, wait)
    if taken is not None:
        way, at = taken
        return choose(turn, enrolment, way, at, Reason.MATCHED)
    decide(turn, Verdict.WAITED, Reason.MATCHED, enrolment, until=due, ways=[label(way) for way in wait.ways])
    return None


def hear(turn: Turn, enrolment: Enrolment, wait: Wait) -> Onward | None:
    """The way this input takes, unless it happened before the wait, or after the wait's own moment."""
    late = enrolment.due_at is not None and turn.moment >= enrolment.due_at
    if late or turn.event is None:
        return None
    for way in wait.ways:
        match way:
            case OnEvent():
                counts = turn.moment >= enrolment.step_at and not turn.event.backfill
                taken = counts and way.event == turn.name and met(turn, way.where, enrolment)
            case OnReceipt():
                taken = received(enrolment, way)
            case When():
                taken = met(turn, way.condition, enrolment)
            case After() | Until():
                taken = False
        if taken:
            return choose(turn, enrolment, way, max(turn.moment, enrolment.step_at), Reason.MATCHED)
    return None


def come_true(turn: Turn, enrolment: Enrolment, wait: Wait) -> Onward | None:
    """The first condition that is met, after traits were set by a step."""
    for way in wait.ways:
        if isinstance(way, When) and met(turn, way.condition, enrolment):
            return choose(turn, enrolment, way, max(turn.moment, enrolment.step_at), Reason.MATCHED)
    return None


def fire(turn: Turn, enrolment: Enrolment, wait: Wait) -> Onward | None:
    """The way whose moment has come, or one that came true unheard; None where the moment moved away meanwhile."""
    taken = _already(turn, enrolment, wait)
    if taken is not None:
        return choose(turn, enrolment, *taken, Reason.MATCHED)
    moments = _moments(turn, enrolment, wait)
    at, index = min(((at, index) for index, at in moments.items()), default=(enrolment.due_at, -1))
    if at is None or at > turn.moment:
        enrolment.due_at = at
        return None
    way = wait.ways[index] if index >= 0 else next(w for w in wait.ways if isinstance(w, After | Until))
    return choose(turn, enrolment, way, max(at, enrolment.step_at), Reason.DUE)


def retime(turn: Turn, enrolment: Enrolment, wait: Wait) -> None:
    """Move the moment of a wait that counts from the newest entry event, or from a trait that changed."""
    due, _ = _due(turn, enrolment, wait)
    if due is not None and due != enrolment.due_at:
        enrolment.due_at = due
        cause = turn.event.id if turn.event else turn.moment.isoformat()
        decide(turn, Verdict.WAITED, Reason.MATCHED, enrolment, about=f"{due.isoformat()} {cause}", until=due)


def choose(turn: Turn, enrolment: Enrolment, way: Way, at: datetime, reason: Reason) -> Onward:
    """Take a way, from a moment on."""
    decide(turn, Verdict.CHOSE, reason, enrolment, way=label(way))
    return Onward(way.then, at)


def received(enrolment: Enrolment, way: OnReceipt) -> bool:
    """Whether the newest message of a step was opened, clicked or delivered."""
    sent = enrolment.sends.get(way.step)
    if sent is None:
        return False
    match way.receipt:
        case Receipt.OPENED:
            return sent.opened
        case Receipt.CLICKED:
            return sent.clicked
        case Receipt.DELIVERED:
            return sent.delivered


def label(way: Way) -> str:
    """A way in the words of the language."""
    match way:
        case OnEvent():
            return f"event {way.event}"
        case OnReceipt():
            return f"{way.receipt} {way.step}"
        case When():
            return f"when {way.condition.source}"
        case After():
            return f"after {way.span if isinstance(way.span, timedelta) else way.span.source}"
        case Until():
            return f"until {way.moment.source}"


def _already(turn: Turn, enrolment: Enrolment, wait: Wait) -> tuple[Way, datetime] | None:
    """A way that is so already: a receipt, a state, or an event another key of the person brought before its turn."""
    for way in wait.ways:
        match way:
            case OnReceipt() if received(enrolment, way):
                return way, enrolment.step_at
            case When() if met(turn, way.condition, enrolment):
                return way, enrolment.step_at
            case OnEvent():
                happened = _remembered(turn, enrolment, way)
                if happened is not None:
                    return way, happened.at
            case _:
                continue
    return None


def _remembered(turn: Turn, enrolment: Enrolment, way: OnEvent) -> Remembered | None:
    for item in turn.person.remembered:
        between = enrolment.step_at < item.at and (enrolment.due_at is None or item.at < enrolment.due_at)
        if item.event == way.event and between and met(turn, way.where, enrolment, event=item.properties):
            return item
    return None


def _due(turn: Turn, enrolment: Enrolment, wait: Wait) -> tuple[datetime | None, str]:
    """The earliest moment of a wait, or why there is none."""
    problems: list[str] = []
    moments = _moments(turn, enrolment, wait, problems)
    return min(moments.values(), default=None), unknown(problems[0] if problems else "until")


def _moments(turn: Turn, enrolment: Enrolment, wait: Wait, problems: list[str] | None = None) -> dict[int, datetime]:
    """The moments of the ways that have one, by their index."""
    moments: dict[int, datetime] = {}
    for index, way in enumerate(wait.ways):
        try:
            at = _moment(turn, enrolment, way)
        except Missing as missing:
            (problems if problems is not None else []).append(missing.path)
            continue
        except OverflowError:  # a moment before the year 1, or after 9999
            (problems if problems is not None else []).append(label(way))
            continue
        if at is not None:
            moments[index] = at
    return moments


def _moment(turn: Turn, enrolment: Enrolment, way: Way) -> datetime | None:
    match way:
        case After():
            start = enrolment.latest_at if way.since_latest and enrolment.latest_at else enrolment.step_at
            at = start + _span(turn, enrolment, way.span)
            return at if way.between is None else next_inside(at, way.between, zone_of_person(turn))
        case Until():
            zone = zone_of_person(turn)
            named = as_moment(way.moment.value(scope_of(turn, enrolment)), zone)
            if named is None:
                raise Missing(way.moment.source)
            at = named + way.shift
            if way.between is None:
                return at
            return (last_inside if way.earlier else next_inside)(at, way.between, zone)
        case OnEvent() | OnReceipt() | When():
            return None


def _span(turn: Turn, enrolment: Enrolment, span: Expression | timedelta) -> timedelta:
    if isinstance(span, timedelta):
        return span
    value = span.value(scope_of(turn, enrolment))
    if not isinstance(value, timedelta):
        raise Missing(span.source)
    return value
