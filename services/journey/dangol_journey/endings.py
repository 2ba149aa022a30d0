"""What ends an enrolment early, and what counts as its success."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dangol.decisions import Reason, Verdict
from dangol_journey.journey import Goal, Missing
from dangol_journey.model import Enrolment
from dangol_journey.scope import met, scope_of
from dangol_journey.turn import Turn, decide, journey_of, live
from dangol_journey.walk import leave


def exits(turn: Turn) -> None:
    """Let the event end the enrolments it ends, at its own moment; one from before an enrolment began ends nothing."""
    if turn.event is None:
        return
    for enrolment in live(turn.person):
        name = exit_by(turn, enrolment, turn.name, turn.moment, turn.event.properties)
        if name is not None and turn.moment >= enrolment.entered_at:
            leave(turn, enrolment, Reason.EXIT_EVENT, name)


def exit_by(turn: Turn, enrolment: Enrolment, event: str, at: datetime, properties: Mapping[str, Any]) -> str | None:
    """The name of the exit an event would be for an enrolment; None where it is none."""
    journey = journey_of(turn.definitions, enrolment)
    for rule in journey.exits if journey else ():
        if rule.event == event and met(turn, rule.where, enrolment, event=properties):
            return rule.name or rule.event
    return None


def missed_exits(turn: Turn) -> None:
    """After two people became one: an exit the one had told ends the enrolments of the other that are older."""
    for enrolment in live(turn.person):
        for item in turn.person.remembered:
            if item.at <= enrolment.entered_at:
                continue
            name = exit_by(turn, enrolment, item.event, item.at, item.properties)
            if name is not None:
                leave(turn, enrolment, Reason.EXIT_EVENT, name)
                break


def goals(turn: Turn) -> None:
    """Note the goals the event reaches, also of enrolments that ended: a goal counts, only an exit leaves."""
    if turn.event is None:
        return
    for enrolment in turn.person.enrolments:
        open_until = enrolment.goal_until
        if open_until is None or not enrolment.entered_at <= turn.moment <= open_until:
            continue
        journey = journey_of(turn.definitions, enrolment)
        if journey and journey.goal and journey.goal.event == turn.name and enrolment.entry_input != turn.event.id:
            _reach(turn, enrolment, journey.goal, turn.event.properties)


def missed_goal(turn: Turn, enrolment: Enrolment) -> None:
    """A goal that was told before the entry it belongs to counts for it."""
    journey, until = journey_of(turn.definitions, enrolment), enrolment.goal_until
    goal = journey.goal if journey else None
    for item in turn.person.remembered if goal and until else ():
        in_time = until is not None and enrolment.entered_at < item.at <= until
        if goal and in_time and item.event == goal.event and not enrolment.converted:
            _reach(turn, enrolment, goal, item.properties)


def _reach(turn: Turn, enrolment: Enrolment, goal: Goal, properties: Mapping[str, Any]) -> None:
    if not met(turn, goal.where, enrolment, event=properties):
        return
    try:
        value = goal.value.value(scope_of(turn, enrolment) | {"event": properties}) if goal.value else None
    except Missing:
        value = None
    enrolment.converted, enrolment.goal_until = True, None
    decide(turn, Verdict.CONVERTED, Reason.MATCHED, enrolment, about="goal", value=value, holdout=enrolment.holdout)
