"""One transaction's work: who the inputs are about, what that makes of them, all of it saved, or nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Decision, Reason
from dangol.errors import DangolError
from dangol.events import Event
from dangol.outbox import Outbox
from dangol.stream import Record, Stream
from dangol_journey import aside, identities, memory
from dangol_journey.acting import Acting, Breath
from dangol_journey.aside import Aside, aside_event, aside_record, aside_wake
from dangol_journey.deciding import Raised, Rules, Subject
from dangol_journey.gathering import Gathered, gather, load_inside, subjects_of
from dangol_journey.intake import fresh, ids_of, nobody, rejected
from dangol_journey.model import Wake
from dangol_journey.plan import Plan
from dangol_journey.published import Published
from dangol_journey.saying import outgoing_of
from dangol_journey.store import Loaded, Saving, hand_over_history, lock_people, save_people

MOST_RAISING = 0.05  # of a batch's people
FEWEST_RAISING = 10


class TooManyRaised(DangolError):
    """So many people's inputs raised that it is the rules, not the people: nothing is committed, and we stop."""


@dataclass(frozen=True)
class Workshop:
    """What settling needs: the open database, log and outbox, the rules, and what is published."""

    db: Db
    stream: Stream
    outbox: Outbox
    rules: Rules
    published: Published


@dataclass(slots=True)
class Settled:
    """What one transaction did. `wake_at`: the earliest moment saved; `took`: how long it was, but for its commit."""

    people: int = 0
    repeats: int = 0
    asides: int = 0
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    wake_at: datetime | None = None
    late_by: list[float] = field(default_factory=list)
    took: timedelta = timedelta(0)


@dataclass(slots=True)
class Found:
    """What was found besides people's own outcomes: decisions, and inputs set aside."""

    decisions: list[Decision] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)


async def settle_events(
    conn: AsyncConnection,
    shop: Workshop,
    events: Sequence[Event],
    now: datetime,
    *,
    refused: Mapping[str, str] | None = None,
    unreadable: Sequence[tuple[Record, str]] = (),
    again: bool = False,
) -> Settled:
    """Do all that these events lead to. `refused`: events (by id) to be set aside unread, and why.

    `again` plays events that are remembered already. Raises `Moved`, `JoinRaised`, `TooManyRaised`: then roll back.
    """
    known = {} if again else await memory.remember(conn, ids_of(events), now)
    new = fresh(events, known, now)
    refusals = refused or {}
    found = Found([rejected(event, Reason.ID_REUSED, now) for event in new.reused])
    found.asides += [aside_event(event, "", refusals[event.id], now) for event in new.events if event.id in refusals]
    found.asides += [aside_record(record, error, now) for record, error in unreadable]
    wanted = [event for event in new.events if event.id not in refusals]
    gathered = await gather(conn, shop.rules, shop.published, wanted, now)
    found.decisions += [nobody(event, now) for event in gathered.plan.nobody]
    found.decisions += [rejected(event, Reason.ERASED, now) for event in gathered.plan.erased]
    await _acting(shop, gathered, now).act(gathered.plan)
    settled = await _save(conn, shop, gathered, found, now)
    settled.repeats = new.repeats
    return settled


async def settle_wakes(
    conn: AsyncConnection, shop: Workshop, moments: Mapping[str, datetime], now: datetime
) -> Settled:
    """Fire what is due for these people, each at its moment, if it still is now that they are locked."""
    people = await lock_people(conn, moments)
    due = {id: one for id, one in people.items() if one.wake_at is not None and one.wake_at <= moments[id]}
    await load_inside(conn, shop.published, due, now)
    gathered = Gathered(Plan(), subjects_of(due), due)
    acting = _acting(shop, gathered, now)
    acting.pending = {id: [Wake(moments[id])] for id in due}
    await acting.finish()
    settled = await _save(conn, shop, gathered, Found(), now)
    settled.late_by = [(now - one.wake_at).total_seconds() for one in due.values() if one.wake_at]
    return settled


def _acting(shop: Workshop, gathered: Gathered, now: datetime) -> Acting:
    return Acting(shop.rules, shop.published, gathered.subjects, now, Breath(held=shop.db.dialect == "sqlite"))


async def _save(conn: AsyncConnection, shop: Workshop, gathered: Gathered, found: Found, now: datetime) -> Settled:
    """People, enrolments, identities, what was set aside, and what was said."""
    subjects = [subject for _, subject in sorted(gathered.subjects.items())]
    raised = [one for subject in subjects for one in subject.raised]
    _refuse_too_many(raised, len(subjects))
    found.asides += [_aside(one, gathered.subjects[one.profile], now) for one in raised]
    await save_people(conn, [_saving(shop.stream, subject, gathered.loaded[subject.person.id]) for subject in subjects])
    for winner, loser in gathered.plan.unions:
        await hand_over_history(conn, loser, winner)
    await identities.move(conn, gathered.plan.moves, gathered.plan.unions)
    await aside.put(conn, found.asides, shop.published.number, now)
    return await _say(conn, shop, subjects, found, now)


async def _say(
    conn: AsyncConnection, shop: Workshop, subjects: Sequence[Subject], found: Found, now: datetime
) -> Settled:
    advanced = [one for subject in subjects for one in subject.advanced]
    besides = found.decisions + [one.decision for one in found.asides]
    own = [event for one in advanced for event in one.events]
    await memory.remember(conn, ids_of(own), now)
    await shop.outbox.put(conn, outgoing_of(advanced, besides))
    said = [decision for one in advanced for decision in one.decisions] + besides
    return Settled(
        people=len(subjects),
        asides=len(found.asides),
        decisions=Counter((one.verdict.value, one.reason.partition(":")[0]) for one in said),
        wake_at=min((at for subject in subjects if (at := subject.wake_at()) is not None), default=None),
    )


def _saving(stream: Stream, subject: Subject, before: Loaded) -> Saving:
    person = subject.person
    at_home = before.state and before.person.key == person.key
    home = before.home if at_home else stream.partition_of(person.key)
    return Saving(person, subject.enrolments(), home, subject.wake_at(), subject.wake_raises, before)


def _aside(raised: Raised, subject: Subject, now: datetime) -> Aside:
    if isinstance(raised.input, Wake):
        return aside_wake(raised, subject.person, raised.input.at, now)
    return aside_event(raised.input, raised.profile, raised.error, now)


def _refuse_too_many(raised: Sequence[Raised], people: int) -> None:
    raising = len({one.profile for one in raised})
    if raising >= FEWEST_RAISING and raising > people * MOST_RAISING:
        raise TooManyRaised(f"{raising} of {people} people's inputs raised:\n{raised[0].error}")
