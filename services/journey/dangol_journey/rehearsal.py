"""One person's life on a virtual clock: events as given, timers as they come due, messages as they would fare."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from dangol.decisions import Decision, Reason, Verdict
from dangol.events import Event, Fate, Origin
from dangol.messages import Cancel, Message
from dangol_journey.journey import Definitions
from dangol_journey.machine import advance
from dangol_journey.model import Input, Person, Wake
from dangol_journey.post import HandedOver, Held, NotSent, Rules, judge

LONGEST = timedelta(days=3 * 366)
MOST_TURNS = 100_000


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the timeline: `what` is sent, dropped, held, entered, exit, waits …, `name` is what it is about."""

    at: datetime
    what: str
    name: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """The person opens, clicks or is delivered the newest message of a step (or template)."""

    fate: Fate
    of: str


@dataclass(frozen=True, slots=True)
class Breaks:
    """From now on no gateway takes the messages of this step (or template)."""

    name: str


Given = Event | Message | Seen | Breaks


@dataclass(slots=True)
class Stage:
    """A rehearsal under way."""

    definitions: Definitions
    rules: Rules
    person: Person
    queue: list[tuple[datetime, int, Given]] = field(default_factory=list)
    told: list[Happened] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    count: int = 0
    now: datetime | None = None  # the clock never goes back, also for a moment that was past when it was set

    def plan(self, at: datetime, given: Given) -> None:
        """Have something happen at a moment; of one moment, in the order it was planned."""
        heapq.heappush(self.queue, (at, self.count, given))
        self.count += 1


def rehearse(
    definitions: Definitions, rules: Rules, person: Person, given: Iterable[tuple[datetime, Given]]
) -> list[Happened]:
    """What happens to a person who is given this, from the first moment until nothing is due any more."""
    stage = Stage(definitions, rules, person)
    for at, one in given:
        stage.plan(at, one)
    run(stage)
    return stage.told


def run(stage: Stage) -> None:
    """Let everything planned happen, and everything that comes of it."""
    end = (stage.queue[0][0] if stage.queue else stage.person.created_at) + LONGEST
    for _ in range(MOST_TURNS):
        moment = _next(stage)
        if moment is None or moment > end:
            return
        if stage.queue and stage.queue[0][0] == moment:  # what the log took comes before the timers of its moment
            _happen(stage, *heapq.heappop(stage.queue))
        else:
            _advance(stage, Wake(moment), max(stage.now or moment, moment))


def _next(stage: Stage) -> datetime | None:
    moments = [stage.queue[0][0]] if stage.queue else []
    return min([*moments, *([stage.person.wake_at] if stage.person.wake_at else [])], default=None)


def _happen(stage: Stage, at: datetime, _: int, given: Given) -> None:
    match given:
        case Event():
            if given.origin is not Origin.SERVICE:
                stage.told.append(Happened(at, "event", given.name, dict(given.properties)))
            _advance(stage, given, at)
        case Message():
            _post(stage, given, at)
        case Seen():
            sent = [one for one in stage.messages if given.of in (one.step, one.template)]
            stage.told.append(Happened(at, str(given.fate), given.of, {} if sent else {"problem": "nothing was sent"}))
            if sent:
                _advance(stage, _receipt(sent[-1], given.fate, at), at)
        case Breaks():
            stage.rules = replace(stage.rules, failing=stage.rules.failing | {given.name})
        case _:
            assert_never(given)


def _advance(stage: Stage, given: Input, now: datetime) -> None:
    stage.now = now
    advanced = advance(stage.definitions, stage.person, [given], now)
    stage.person = advanced.person
    for decision in advanced.decisions:
        stage.told += lines_of(decision, now)
    for spoken in advanced.spoken:
        if isinstance(spoken, Message):
            stage.messages.append(spoken)
            stage.plan(now, spoken)
        elif isinstance(spoken, Cancel):
            stage.cancelled.add(spoken.id)


def _post(stage: Stage, message: Message, now: datetime) -> None:
    """Judge a message that was asked, or held until now; its fate comes back as an event of the same moment."""
    name, about = message.template or message.step, {"step": message.step}
    if message.id in stage.cancelled:
        stage.told.append(Happened(now, "cancelled", name, about))
        return
    outcome = judge(stage.rules, message, stage.person, now)
    match outcome:
        case Held(until, reason):
            stage.told.append(Happened(now, "held", name, about | {"until": until, "why": (reason,)}))
            stage.plan(until, message)
        case HandedOver(channel):
            stage.told.append(Happened(now, "sent", name, about | {"by": channel}))
            stage.plan(now, _receipt(message, Fate.SENT, now, channel=channel))
        case NotSent(fate, reasons):
            stage.told.append(Happened(now, fate, name, about | {"why": reasons}))
            reason = reasons[0] if reasons else ""
            stage.plan(now, _receipt(message, Fate(f"Message {fate.capitalize()}"), now, reason=reason))
        case _:
            assert_never(outcome)


def _receipt(message: Message, fate: Fate, at: datetime, **more: str) -> Event:
    about = {"message_id": message.id, "enrolment": message.enrolment, "step": message.step, "visit": message.visit}
    return Event(
        workspace=message.workspace,
        id=f"{fate}:{message.id}:{at.isoformat()}",
        name=fate,
        user_id=message.user_id,
        properties=about | more,
        at=at,
        received_at=at,
        origin=Origin.SERVICE,
    )


def lines_of(decision: Decision, at: datetime) -> list[Happened]:
    """A decision as lines of the timeline."""
    step = decision.step or ""
    match decision.verdict:
        case Verdict.CONSIDERED:
            return [
                Happened(at, "entered" if entry.entered else "not entered", entry.journey, {"why": (entry.reason,)})
                for entry in decision.entries
            ]
        case Verdict.WAITED:
            return [Happened(at, "waits", step, {"until": decision.details.get("until")})]
        case Verdict.CHOSE:
            return [Happened(at, "goes on", step, {"way": decision.details.get("way")})]
        case Verdict.EXITED:
            named = decision.details.get("as") or decision.reason
            return [Happened(at, "exit", str(named), {"why": (decision.reason,)})]
        case Verdict.FINISHED:
            return [Happened(at, "finished", decision.journey or "")]
        case Verdict.CONVERTED:
            return [Happened(at, "converted", decision.journey or "", {"value": decision.details.get("value")})]
        case Verdict.LOOP:
            return [Happened(at, "loop", step, {"why": (Reason.LOOPED,)})]
        case _:
            return []
