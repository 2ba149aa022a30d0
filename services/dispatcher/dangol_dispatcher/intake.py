"""What journey said, believed and stored: person facts, messages asked, messages no longer wanted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import and_, bindparam, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Reason
from dangol.messages import Cancel, Facts, Message, Spoken
from dangol.outbox import Outbox
from dangol.rows import among
from dangol_dispatcher import consents, ledger
from dangol_dispatcher.erasure import erase, join
from dangol_dispatcher.model import Recipient, SendRequest, Status
from dangol_dispatcher.people import everyone_in, with_facts
from dangol_dispatcher.policy import first_queue
from dangol_dispatcher.published import Published
from dangol_dispatcher.queue import IS_OPEN, messages_named, save_turns
from dangol_dispatcher.recipients import MOST_JOINS, add_missing, load_recipients, lock_recipients, save_recipients
from dangol_dispatcher.rows import MESSAGE, Row, put_new
from dangol_dispatcher.talk import tell

# How long a message without an expiry of its own is worth sending; the longest retry schedule takes 75 h 35 m.
LIFE = {"marketing": timedelta(hours=24), "transactional": timedelta(days=4)}


@dataclass(slots=True)
class Heard:
    """A batch, sorted by what it says; each in the order it was said."""

    facts: list[Facts] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)


def sort(spoken: Iterable[Spoken]) -> Heard:
    """The batch, sorted."""
    heard = Heard()
    for one in spoken:
        match one:
            case Facts():
                heard.facts.append(one)
            case Message():
                heard.messages.append(one)
            case Cancel():
                heard.cancels.append(one)
    return heard


async def take_in(
    db: Db, conn: AsyncConnection, outbox: Outbox, published: Published, spoken: Sequence[Spoken]
) -> frozenset[tuple[str, str]] | None:
    """Store a batch, within the transaction that saves its position. A repeat of any of it changes nothing.

    Gives the queues, as (workspace, gateway), in which something new may be due; None: perhaps in any.
    """
    now = await db.now(conn)
    heard = sort(spoken)
    people = await _people(db, conn, heard)
    woken = await _learn(db, conn, heard.facts, people, now)
    asked = [_asked(one, people, published, now) for one in heard.messages]
    await put_new(db, conn, MESSAGE, asked)
    await _cancel(conn, outbox, published, heard.cancels, people, now)
    anywhere = woken or heard.cancels or any(one.merged_into for one in heard.facts)
    return None if anywhere else frozenset((one["workspace"], one["gateway"]) for one in asked)


def who_is(profile: str, people: Mapping[str, Recipient]) -> str:
    """The profile a person goes by now, after all joins."""
    for _ in range(MOST_JOINS):
        known = people.get(profile)
        if known is None or not known.merged_into:
            break
        profile = known.merged_into
    return profile


async def _people(db: Db, conn: AsyncConnection, heard: Heard) -> dict[str, Recipient]:
    """Everyone the batch is about, locked in the order of their ids, also those they were joined to."""
    stubs = {
        profile: Recipient(profile=profile, workspace=one.workspace, key=one.key)
        for one in heard.facts
        for profile in everyone_in([one])
    }
    if db.dialect != "sqlite":  # there the transaction is the lock, and `_learn` writes them
        await add_missing(db, conn, stubs.values())
    named = set(stubs) | {one.profile for one in heard.messages} | {one.profile for one in heard.cancels}
    known: dict[str, Recipient] = {}
    for _ in range(MOST_JOINS):
        known = await load_recipients(conn, named)
        more = {one.merged_into for one in known.values() if one.merged_into} - named
        if not more:
            break
        named |= {profile for profile in more if profile}
    return stubs | known if db.dialect == "sqlite" else await lock_recipients(conn, named)


async def _learn(
    db: Db, conn: AsyncConnection, facts: Sequence[Facts], people: dict[str, Recipient], now: datetime
) -> int:
    """Bring the people up to date in the order the facts were said; `people` is changed. How many messages wake."""
    if not facts:
        return 0
    for one in facts:
        people[one.profile] = with_facts(people.get(one.profile), one)
    about = everyone_in(facts)
    await save_recipients(db, conn, [people[profile] for profile in about])
    for workspace in {one.workspace for one in facts}:
        stated = [(one.profile, said) for one in facts if one.workspace == workspace for said in one.consents]
        await consents.record(db, conn, workspace, stated, now)
    for one in facts:
        if one.merged_into:
            await join(db, conn, one, who_is(one.merged_into, people))
    await erase(conn, sorted(one.profile for one in facts if people[one.profile].erased), now)
    return await wake(conn, {who_is(profile, people) for profile in about}, now)


async def wake(conn: AsyncConnection, profiles: Collection[str], now: datetime) -> int:
    """Messages that waited for what these people's facts may have brought are looked at again: so many."""
    waits = or_(
        MESSAGE.c.reason.in_([Reason.FACTS_AWAITED.value, Reason.NO_ADDRESS.value]),
        MESSAGE.c.details.contains("hold_while"),
    )
    theirs = and_(among(conn, MESSAGE.c.profile, profiles), MESSAGE.c.status == Status.HELD.value, waits)
    done = await conn.execute(update(MESSAGE).where(theirs, MESSAGE.c.due_at > now).values(due_at=now))
    return done.rowcount


async def _cancel(
    conn: AsyncConnection,
    outbox: Outbox,
    published: Published,
    cancels: Sequence[Cancel],
    people: Mapping[str, Recipient],
    now: datetime,
) -> None:
    reasons = {one.id: one.reason for one in cancels}
    for workspace in {one.workspace for one in cancels}:
        rules = published.of(workspace).rules
        ids = [one.id for one in cancels if one.workspace == workspace]
        waiting = await messages_named(conn, rules, ids, lock=True)
        turns = [
            (one, turn)
            for one in waiting
            if one.is_open and (turn := ledger.cancelled(one, reasons[one.request.message.id], now))
        ]
        await save_turns(conn, turns, now)
        await tell(outbox, conn, turns, people, now)
        done = {one.request.message.id for one, _ in turns}
        await _note(conn, {id: reasons[id] for id in ids if id not in done})


async def _note(conn: AsyncConnection, reasons: Mapping[str, str]) -> None:
    """What is being tried, or may have been taken, is not tried again: the rules say so when they are next asked."""
    if reasons:
        no_more = update(MESSAGE).where(MESSAGE.c.id == bindparam("of"), IS_OPEN).values(cancelled=bindparam("because"))
        await conn.execute(no_more, [{"of": id, "because": reason} for id, reason in sorted(reasons.items())])


def _asked(message: Message, people: Mapping[str, Recipient], published: Published, now: datetime) -> Row:
    rules = published.of(message.workspace).rules
    template = rules.templates.get(message.template)
    category = template.category if template else ("marketing" if message.webhook is None else "transactional")
    expires_at = message.expires_at or message.at + LIFE.get(category, LIFE["transactional"])
    request = SendRequest(message=message, category=category, asked_at=now, expires_at=expires_at)
    profile = who_is(message.profile, people)
    return {
        "id": message.id,
        "workspace": message.workspace,
        "profile": profile,
        "key": message.key,
        "user_id": message.user_id,
        "journey": message.journey,
        "enrolment": message.enrolment,
        "step": message.step,
        "status": Status.ASKED.value,
        "gateway": first_queue(request, people.get(profile), rules),
        "priority": message.priority,
        "category": category,
        "payload": msgspec.json.encode(message).decode(),
        "asked_at": now,
        "due_at": now + rules.collect if category == "marketing" else now,
        "expires_at": expires_at,
        "updated_at": now,
        "reason": "",
        "details": "{}",
        "tags": "[]",
        "passed": "{}",
        "decided": 0,
        "cancelled": "",
    }
