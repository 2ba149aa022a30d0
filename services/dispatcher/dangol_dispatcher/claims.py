"""Claiming: the rules asked again in one transaction with the reservation, and a row that says what is being tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.db import Db
from dangol.decisions import Reason
from dangol.messages import CouponIssue
from dangol.names import delivery_key
from dangol.outbox import Outbox
from dangol_dispatcher import answering, ledger
from dangol_dispatcher.considering import Considered, Counter, consider
from dangol_dispatcher.coupons import mark_said
from dangol_dispatcher.deliveries import (
    Answered,
    claimed_of,
    content_of,
    deliveries_of,
    save_answered,
    save_claimed,
    tried_of,
)
from dangol_dispatcher.leases import lease_of
from dangol_dispatcher.ledger import Turn, Waiting
from dangol_dispatcher.model import Ambiguous, Claimed, Content, Drop, Go, Hold, Mode, Recipient, Status
from dangol_dispatcher.policy import gateway_of
from dangol_dispatcher.queue import due_messages, lock_messages, save_turns
from dangol_dispatcher.recipients import load_recipients, lock_recipients
from dangol_dispatcher.rows import Row
from dangol_dispatcher.talk import tell

WORKER_GONE = Ambiguous("the worker that tried it is gone", worker_gone=True)


class Prepared(msgspec.Struct, frozen=True):
    """What is ready to be said, rendered ahead of the claim; or why it cannot be."""

    content: Content | None
    number: int  # the definitions' number it was rendered with
    problem: Hold | None = None


@dataclass(slots=True)
class Round:
    """What one claim transaction comes to."""

    counter: Counter
    prepared: Mapping[str, Prepared]
    rows: Mapping[str, Row]  # of deliveries that are there already
    now: datetime
    at_most: int
    turns: list[tuple[Waiting, Turn]] = field(default_factory=list)
    claimed: list[Claimed] = field(default_factory=list)
    left_behind: list[Answered] = field(default_factory=list)
    issues: list[CouponIssue] = field(default_factory=list)


async def look(
    db: Db, conn: AsyncConnection, counter: Counter, at_most: int, *, only_expired: bool = False
) -> list[Considered]:
    """The due messages of a counter and what the rules say of them, nothing locked."""
    now = await db.now(conn)
    waiting = await due_messages(conn, counter.rules, counter.name, now, at_most, only_expired=only_expired)
    people = await load_recipients(conn, {one.profile for one in waiting})
    return await consider(db, conn, counter, waiting, people, now)


async def claim(
    db: Db,
    conn: AsyncConnection,
    outbox: Outbox,
    counter: Counter,
    looked: Sequence[Considered],
    prepared: Mapping[str, Prepared],
    at_most: int,
) -> Round:
    """Claim what may go, at most so many, and record what is held or dropped.

    Call it in a transaction whose first statement read the definitions' number.
    """
    now = await db.now(conn)
    people = await lock_recipients(conn, {one.waiting.profile for one in looked}, skip_locked=True)
    # people nobody knows yet have no row to lock: their messages wait for facts
    within = people.keys() | {one.waiting.profile for one in looked if one.standing.recipient is None}
    ids = [one.waiting.request.message.id for one in looked if one.waiting.profile in within]
    waiting = [one for one in await lock_messages(conn, counter.rules, ids, now) if one.profile in within]
    rows = await deliveries_of(conn, [one.request.message.id for one in waiting])
    this = Round(counter, prepared, rows, now, at_most)
    stuck = [id for id, ready in prepared.items() if ready.problem]
    for one in await consider(db, conn, counter, waiting, people, now, stuck=stuck):
        _turn(this, one)
    await _save(db, conn, outbox, this, people)
    return this


def mode_of(counter: Counter, waiting: Waiting) -> Mode:
    """How often it may be handed over: as the template says, else by the gateway's key, else by its category."""
    template = counter.rules.templates.get(waiting.request.message.template)
    if template and template.mode:
        return template.mode
    if counter.key_window:
        return Mode.EFFECTIVELY_ONCE
    return Mode.AT_MOST_ONCE if waiting.request.category == "marketing" else Mode.AT_LEAST_ONCE


def _turn(this: Round, one: Considered) -> None:
    """What becomes of one message; one that is left as it is will be looked at again."""
    waiting = one.waiting
    if waiting.status is Status.CLAIMED:
        if waiting.due_at <= this.now:  # until then another worker is at it
            _left_behind(this, waiting)
        return
    match one.choice.answer:
        case Hold() as hold:
            this.turns.append((waiting, ledger.held(waiting, hold)))
        case Drop() as drop:
            this.turns.append((waiting, ledger.dropped(waiting, drop, one.choice.skipped, this.now)))
        case Go() as go:
            _go(this, one, go)


def _go(this: Round, one: Considered, go: Go) -> None:
    waiting = one.waiting
    leaves_by = gateway_of(waiting.request, go.channel, this.counter.rules) or ""
    if leaves_by != this.counter.name:
        this.turns.append((waiting, ledger.moved(waiting, leaves_by, go.channel, this.now)))
        return
    ready = this.prepared.get(waiting.request.message.id)
    if ready is None or ready.number != this.counter.rules.number:
        return
    if ready.problem:
        this.turns.append((waiting, ledger.held(msgspec.structs.replace(waiting, channel=go.channel), ready.problem)))
    elif ready.content and _where(ready.content) == (go.channel, go.endpoint) and len(this.claimed) < this.at_most:
        claimed = _claimed(this, waiting, ready.content)
        counts = _counts(this.counter, waiting)
        this.turns.append((waiting, ledger.claimed(waiting, claimed, one.choice.skipped, counts, this.now)))
        this.claimed.append(claimed)
        this.issues += waiting.request.message.coupons.values()


def _claimed(this: Round, waiting: Waiting, content: Content) -> Claimed:
    key = delivery_key(waiting.request.message.id, content.channel, content.endpoint)
    before = this.rows.get(key)
    mode = Mode(before["mode"]) if before else mode_of(this.counter, waiting)
    return Claimed(
        delivery=key,
        message=waiting.request.message.id,
        workspace=waiting.workspace,
        profile=waiting.profile,
        gateway=this.counter.name,
        content=content_of(before) if before else content,
        attempt=before["attempt"] + 1 if before else 1,
        fence=before["fence"] + 1 if before else 1,
        lease_until=this.now + lease_of(this.counter.deadline),
        first_claimed_at=before["first_claimed_at"] if before else this.now,
        mode=mode,
        possible_duplicate=before is not None and before["ambiguous"] > 0 and not this.counter.key_window,
    )


def _left_behind(this: Round, waiting: Waiting) -> None:
    """Its lease has ended: who claimed it is gone, and nobody knows whether it was handed over."""
    row = this.rows.get(waiting.delivery or "")
    if row is None:
        this.turns.append((waiting, ledger.held(waiting, Hold(this.now, Reason.AMBIGUOUS))))
        return
    tried = tried_of(claimed_of(row, waiting.profile), row, this.counter.key_window)
    turn = answering.ambiguous(waiting, tried, WORKER_GONE, this.now)
    this.turns.append((waiting, turn))
    this.left_behind.append(Answered(tried, WORKER_GONE, turn))


def _where(content: Content) -> tuple[str, str]:
    return content.channel, content.endpoint


def _counts(counter: Counter, waiting: Waiting) -> bool:
    template = counter.rules.templates.get(waiting.request.message.template)
    return template is not None and template.counts


async def _save(db: Db, conn: AsyncConnection, outbox: Outbox, this: Round, people: Mapping[str, Recipient]) -> None:
    await save_turns(conn, this.turns, this.now)
    await save_claimed(db, conn, this.claimed, this.counter.rules.number, this.now)
    await save_answered(conn, this.left_behind, this.now)
    await mark_said(conn, this.counter.rules.workspace, this.issues)
    await tell(outbox, conn, this.turns, people, this.now)
