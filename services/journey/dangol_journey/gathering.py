"""Everybody a batch is about, locked and loaded: identities, then people in the order of their ids, then enrolments."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.events import Event
from dangol_journey import identities, memory
from dangol_journey.deciding import Rules, Subject, attempt
from dangol_journey.people import Known, new_person
from dangol_journey.plan import Apply, IdentityKey, Plan, Unite, all_keys, plan
from dangol_journey.published import Published
from dangol_journey.store import Loaded, load_enrolments, load_entered, lock_people


class Moved(Exception):
    """An id changed hands while we waited for its person's lock: roll back, and start the batch again."""


@dataclass(slots=True)
class Gathered:
    """The plan of a batch, and the people in it by profile, as they were `loaded` and as they are by now."""

    plan: Plan = field(default_factory=Plan)
    subjects: dict[str, Subject] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)


async def gather(
    conn: AsyncConnection, rules: Rules, published: Published, events: Sequence[Event], now: datetime
) -> Gathered:
    """Resolve, claim, lock and load, in this order, in a handful of statements. Raises `Moved`."""
    keys = all_keys(events)
    known = await identities.find(conn, keys)
    made = plan(events, known, await memory.buried(conn, keys))
    await identities.claim(conn, made.claims)
    people = await lock_people(conn, made.profiles(known))
    if conn.dialect.name != "sqlite":  # there nobody else can have written since we began
        _refuse_moved(known, made.claims, await identities.find(conn, keys))
    people |= {id: Loaded(new_person(event, id, now)) for id, event in made.new.items()}
    await load_inside(conn, published, people, now)
    await load_entered(conn, people, _pairs(rules, published, made))
    return Gathered(made, subjects_of(people), people)


async def load_inside(conn: AsyncConnection, published: Published, people: Mapping[str, Loaded], now: datetime) -> None:
    """Load what people are inside of, and the versions of journeys they walk there."""
    await load_enrolments(conn, people, now)
    inside: dict[str, list[Loaded]] = defaultdict(list)
    for loaded in people.values():
        if loaded.person.enrolments:
            inside[loaded.person.workspace].append(loaded)
    for workspace, those in inside.items():
        await published.pin(conn, workspace, [one for loaded in those for one in loaded.person.enrolments])


def subjects_of(people: Mapping[str, Loaded]) -> dict[str, Subject]:
    """People as they are decided about."""
    return {
        id: Subject(one.person, one.wake_raises, one.wake_at if one.wake_raises else None) for id, one in people.items()
    }


def _refuse_moved(
    known: Mapping[IdentityKey, Known], claims: Mapping[IdentityKey, str], found: Mapping[IdentityKey, Known]
) -> None:
    for key in known.keys() | claims.keys() | found.keys():
        present = found.get(key)
        expected = known[key].profile if key in known else claims.get(key)
        known_as_before = key not in known or present == known[key]
        if present is None or present.profile != expected or not known_as_before:
            raise Moved(f"{key[1]} of {key[0]}")


def _pairs(rules: Rules, published: Published, made: Plan) -> Iterable[tuple[str, str]]:
    """(profile, "journey␟key") of whatever the events may let people enter; of people who become one, for both."""
    partners: dict[str, set[str]] = defaultdict(set)
    for act in made.acts:
        if isinstance(act, Unite):
            both = {act.winner, act.loser} | partners[act.winner] | partners[act.loser]
            for one in both:
                partners[one] |= both
    for act in made.acts:
        if isinstance(act, Apply):
            yield from _pairs_of(rules, published, act, partners.get(act.profile) or {act.profile})


def _pairs_of(rules: Rules, published: Published, act: Apply, profiles: Collection[str]) -> Iterable[tuple[str, str]]:
    definitions = published.of(act.event.workspace)
    pairs = attempt(lambda: rules.entry_keys(definitions, act.event))
    if not isinstance(pairs, str):  # else advancing raises too, and it is set aside
        yield from ((profile, pair) for profile in profiles for pair in pairs)
