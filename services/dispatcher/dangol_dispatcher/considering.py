"""What the rules say of messages now: everything they ask about is read here, and weighed person by person."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.messages import Channel
from dangol_dispatcher.arbitration import arbitrate
from dangol_dispatcher.breaker import allowance
from dangol_dispatcher.gates import load_gate
from dangol_dispatcher.ledger import Waiting
from dangol_dispatcher.model import Choice, Go, Recipient, Standing
from dangol_dispatcher.policy import choose
from dangol_dispatcher.queue import competitors
from dangol_dispatcher.rulebook import Rules
from dangol_dispatcher.standings import load_standings
from dangol_dispatcher.suppressions import Place, place_of


@dataclass(frozen=True, slots=True)
class Counter:
    """One gateway of one workspace, as its queue is worked through."""

    rules: Rules
    name: str  # empty: messages no gateway is configured for
    key_window: timedelta | None = None
    deadline: timedelta = timedelta(seconds=30)


class Considered(msgspec.Struct, frozen=True):
    """A message with what the rules say of it now."""

    waiting: Waiting
    choice: Choice
    standing: Standing


async def consider(
    db: Db,
    conn: AsyncConnection,
    counter: Counter,
    waiting: Sequence[Waiting],
    people: Mapping[str, Recipient],
    now: datetime,
    *,
    stuck: Collection[str] = (),
) -> list[Considered]:
    """What the rules say, one person's messages weighed together, also against those in other queues.

    `stuck`: messages that cannot be said for now, and stand in nobody's way.
    """
    if not waiting:
        return []
    everyone: dict[str, Recipient | None] = {one.profile: people.get(one.profile) for one in waiting}
    standings = await load_standings(db, conn, counter.rules, everyone, places_of(waiting), now)
    here = frozenset(one.request.message.id for one in waiting)
    rivals = await _rivals(conn, counter, everyone.keys(), here, now) if counter.rules.caps else []
    by_person: dict[str, list[Waiting]] = {}
    for one in (*waiting, *rivals):
        by_person.setdefault(one.profile, []).append(one)
    choices: dict[str, Choice] = {}
    for profile, theirs in by_person.items():
        choices |= arbitrate([one.request for one in theirs], here, standings[profile], counter.rules, now, stuck=stuck)
    return [Considered(one, choices[one.request.message.id], standings[one.profile]) for one in waiting]


async def still_allowed(
    db: Db,
    conn: AsyncConnection,
    counter: Counter,
    waiting: Sequence[Waiting],
    people: Mapping[str, Recipient],
    now: datetime,
) -> dict[str, bool]:
    """By message, whether it may still go. Caps are not asked again: it has its slot."""
    everyone: dict[str, Recipient | None] = {one.profile: people.get(one.profile) for one in waiting}
    rules = replace(counter.rules, caps=())
    standings = await load_standings(db, conn, rules, everyone, places_of(waiting), now) if waiting else {}
    choices = ((one.request, choose(one.request, standings[one.profile], rules, now)) for one in waiting)
    return {request.message.id: isinstance(choice.answer, Go) for request, choice in choices}


async def _rivals(
    conn: AsyncConnection, counter: Counter, profiles: Collection[str], here: frozenset[str], now: datetime
) -> list[Waiting]:
    """These people's due messages in other queues; one whose gateway rests is going nowhere, and stands in no way."""
    others = await competitors(conn, counter.rules, profiles, here, now)
    queues = {one.gateway for one in others}
    resting = {
        name
        for name in queues - {counter.name}
        if not allowance(await load_gate(conn, counter.rules.workspace, name), 1, now)
    }
    return [one for one in others if one.gateway not in resting]


def places_of(waiting: Sequence[Waiting]) -> set[Place]:
    """Endpoints that are not a person's own: those of webhooks, of staff, and of deliveries that may not be left."""
    places = {place_of(*one.request.pinned) for one in waiting if one.request.pinned}
    for message in (one.request.message for one in waiting):
        if message.webhook is not None:
            places.add((Channel.WEBHOOK, str(message.webhook.get("gateway", ""))))
        if message.to:
            places |= {place_of(channel, message.to) for channel in message.by}
    return places
