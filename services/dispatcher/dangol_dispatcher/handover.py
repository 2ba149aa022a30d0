"""Handing over: one last look, the gateway's call, and the record of what it answered."""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from dangol import metrics
from dangol.db import Db, in_transaction
from dangol.decisions import Reason
from dangol.errors import Unavailable
from dangol.outbox import Outbox
from dangol_dispatcher import answering, breaker
from dangol_dispatcher.considering import Counter, still_allowed
from dangol_dispatcher.deliveries import WORDS, Answered, counts_of, save_answered, tried_of
from dangol_dispatcher.gates import load_gate, lock_gate, save_gate
from dangol_dispatcher.leases import BEYOND_DEADLINE, Leases, Out, is_renewed, lease_of, least_left
from dangol_dispatcher.ledger import Turn, Waiting
from dangol_dispatcher.model import (
    Accepted,
    Ambiguous,
    Claimed,
    Gateway,
    Hold,
    Later,
    Outcome,
    Rejected,
    Status,
)
from dangol_dispatcher.published import Published
from dangol_dispatcher.queue import messages_named, save_turns
from dangol_dispatcher.receipts import match
from dangol_dispatcher.recipients import load_recipients
from dangol_dispatcher.rows import Row
from dangol_dispatcher.schedule import waited_for
from dangol_dispatcher.suppressions import place_of, suppress
from dangol_dispatcher.talk import tell

log = structlog.get_logger(__name__)
TOGETHER = 0.01  # seconds: answers that come within share a commit
AT_ONCE = timedelta(seconds=1)  # after its claim
INSISTS_FOR = 60.0  # seconds; the lease may end meanwhile, then the last look says no
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hands:
    """What a handover works with. `commits`: how many the database had done when the claim was."""

    db: Db
    outbox: Outbox
    published: Published
    counter: Counter
    gateway: Gateway
    leases: Leases
    commits: int = -1


async def hand_over(hands: Hands, claimed: Sequence[Claimed], freed: Callable[[int, bool], None]) -> None:
    """Take one last look, call the gateway with what may still go, and record the answers, those that come together
    in one commit. `freed` is told of each connection whose delivery is recorded, and whether some are to be tried
    again."""
    going, looked_at = await _looked(hands, claimed)
    size = hands.gateway.batch
    parts = [going[first : first + size] for first in range(0, len(going), size)]
    if len(going) < len(claimed):
        freed(calls_for(hands.gateway, claimed) - len(parts), True)
    calls = {asyncio.create_task(call(hands, part, looked_at)): part for part in parts}
    try:
        while calls:
            done = await _together(calls)
            answers = [pair for one in done for pair in zip(calls.pop(one), one.result(), strict=True)]
            again = await _insisting(hands.db, lambda conn, answers=answers: record(hands, conn, answers))  # type: ignore[misc]
            freed(len(done), again)
    finally:
        for one in calls:
            one.cancel()


def calls_for(gateway: Gateway, claimed: Sequence[Claimed]) -> int:
    """How many calls these are."""
    return -(-len(claimed) // gateway.batch)


async def _together(calls: Collection[asyncio.Task[T]]) -> Collection[asyncio.Task[T]]:
    """Those that are back, once all are, or a moment after the first: they share one commit."""
    done, out = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    if out:
        done, _ = await asyncio.wait(calls, timeout=TOGETHER)
    return done


async def _looked(hands: Hands, claimed: Sequence[Claimed]) -> tuple[Sequence[Claimed], float]:
    """Those that may still go, and when (loop time) the look began that found so: the one that was committed."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    if _untouched(hands, claimed):
        return claimed, began

    async def look(conn: AsyncConnection) -> tuple[Sequence[Claimed], float]:
        began = loop.time()
        return await last_look(hands, conn, claimed), began

    return await _insisting(hands.db, look)


def _untouched(hands: Hands, claimed: Sequence[Claimed]) -> bool:
    """Where only this process writes, and nobody in it did since the claim or is about to: that was the last look."""
    if hands.db.dialect != "sqlite" or hands.db.commits != hands.commits or hands.db.opened_at is not None:
        return False
    lease = lease_of(hands.gateway.deadline)
    return all(one.lease_until - lease <= hands.db.clock() < one.lease_until - lease + AT_ONCE for one in claimed)


async def _insisting(db: Db, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """In a transaction, again for a while where the database can't: what we know of a delivery must not get lost.

    It need not wait for the disk: after a power cut the claim, which did, is found as what nobody knows the end of.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(multiplier=0.05, max=5),
        stop=stop_after_delay(INSISTS_FOR),
        reraise=True,
    ):
        with attempt:
            done = await in_transaction(db, work, durable=False)
    return done


async def last_look(hands: Hands, conn: AsyncConnection, claimed: Sequence[Claimed]) -> list[Claimed]:
    """Those still ours and still allowed: the rules are read once more, right before the call.

    Whose lease is over, or whose fence has risen, is another's by now. What a rule stops, or what would still be out
    when its lease ends, is surely not sent: it goes back to the rules, which are those published by now.
    """
    await hands.published.current(conn)
    now = await hands.db.now(conn)
    rules = hands.published.of(hands.counter.rules.workspace).rules
    rows = await counts_of(conn, [one.message for one in claimed])
    ours = [one for one in claimed if _ours(rows.get(one.delivery), one) and now < one.lease_until]
    waiting = await messages_named(conn, rules, [one.message for one in ours])
    people = await load_recipients(conn, {one.profile for one in waiting})
    tried = [one for one in waiting if one.status is Status.CLAIMED]
    allowed = await still_allowed(hands.db, conn, replace(hands.counter, rules=rules), tried, people, now)
    back_by = now + least_left(hands.gateway.deadline)
    going = [one for one in ours if allowed.get(one.message) and back_by <= one.lease_until]
    await _take_back(hands, conn, [one for one in ours if one.message in allowed and one not in going], rows)
    return going


async def call(hands: Hands, claimed: Sequence[Claimed], looked_at: float) -> Sequence[Outcome]:
    """The gateway's outcomes, one for each. Past its deadline, past their lease, or after a raise, nobody knows.

    `looked_at` (loop time): when the last look began, which found enough of the lease left. That counts from there,
    not from here: its commit may have taken long.
    """
    gateway, loop = hands.gateway, asyncio.get_running_loop()
    started = loop.time()
    at_latest = started + (gateway.deadline + BEYOND_DEADLINE).total_seconds()
    kept_until = looked_at + least_left(gateway.deadline).total_seconds()
    try:
        async with asyncio.timeout_at(min(at_latest, kept_until)) as limit:
            out = Out(claimed, limit, at_latest)
            with hands.leases.kept(out) if is_renewed(gateway.deadline) else nullcontext():
                outcomes = await gateway.send_many(claimed)
    except Exception as error:
        log.exception("a gateway raised", action="gateway_raised", gateway=gateway.name)
        return [Ambiguous(f"{type(error).__name__}: {error}") for _ in claimed]
    finally:
        metrics.GATEWAY_SECONDS.labels(gateway.name).observe(loop.time() - started)
    if len(outcomes) != len(claimed):
        return [Ambiguous(f"{len(outcomes)} outcomes for {len(claimed)} deliveries") for _ in claimed]
    return outcomes


async def record(hands: Hands, conn: AsyncConnection, outcomes: Sequence[tuple[Claimed, Outcome]]) -> bool:
    """What became of each delivery, what the gateway's state is now, and what is told of it, in one transaction.

    Gives whether a message of them is to be tried again, here or elsewhere.
    """
    now = await hands.db.now(conn)
    rules = hands.counter.rules
    messages = await messages_named(conn, rules, [one.message for one, _ in outcomes], lock=True)
    waiting = {one.request.message.id: one for one in messages}
    rows = await counts_of(conn, list(waiting))
    answered: list[Answered] = []
    turns: list[tuple[Waiting, Turn]] = []
    for one, outcome in outcomes:
        turn = _turn(hands, waiting[one.message], one, rows[one.delivery], outcome, now)
        if turn is None:
            log.warning("answered after its lease", action="late_answer", delivery=one.delivery, outcome=str(outcome))
            continue
        turns.append((waiting[one.message], turn))
        answered.append(Answered(tried_of(one, rows[one.delivery], hands.counter.key_window), outcome, turn))
    await save_turns(conn, turns, now)
    await save_answered(conn, answered, now)
    await _suppress(hands, conn, outcomes, now)
    await _note_gateway(hands, conn, [outcome for _, outcome in outcomes], now)
    await tell(hands.outbox, conn, turns, await load_recipients(conn, {one.profile for one in messages}), now)
    await match(hands.db, conn, hands.outbox, rules.workspace, list(waiting), now)
    counted = Tally((one.content.channel, one.gateway, WORDS[type(outcome)]) for one, outcome in outcomes)
    for labels, times in counted.items():
        metrics.DELIVERIES.labels(*labels).inc(times)
    return any(turn.status in (Status.HELD, Status.RETRYING) for _, turn in turns)


def _turn(hands: Hands, waiting: Waiting, one: Claimed, row: Row, outcome: Outcome, now: datetime) -> Turn | None:
    tried = tried_of(one, row, hands.counter.key_window)
    if _ours(row, one) and waiting.status is Status.CLAIMED:
        return answering.answered(waiting, tried, outcome, now)
    waits = waiting.status is Status.RETRYING and waiting.delivery == one.delivery and row["fence"] == one.fence
    if (waits or waiting.status is Status.UNKNOWN) and isinstance(outcome, Accepted):
        return answering.sent(tried, outcome, now)  # statuses only rise: now we know
    return None


def _ours(row: Row | None, one: Claimed) -> bool:
    return row is not None and row["status"] == "claimed" and row["fence"] == one.fence


async def _take_back(hands: Hands, conn: AsyncConnection, stopped: Sequence[Claimed], rows: Mapping[str, Row]) -> None:
    """A rule said no at the last moment: nothing was called, so the message goes back to the rules at once."""
    if not stopped:
        return
    now = await hands.db.now(conn)
    messages = await messages_named(conn, hands.counter.rules, [one.message for one in stopped], lock=True)
    waiting = {one.request.message.id: one for one in messages if one.status is Status.CLAIMED}
    turns, answered = [], []
    for one in stopped:
        if one.message in waiting and _ours(rows.get(one.delivery), one):
            tried = tried_of(one, rows[one.delivery], hands.counter.key_window)
            turn = answering.taken_back(tried, Hold(now, Reason.ALLOWED), first=one.attempt == 1)
            turns.append((waiting[one.message], turn))
            answered.append(Answered(tried, Later("a rule stopped it before the call", throttled=True), turn))
    await save_turns(conn, turns, now)
    await save_answered(conn, answered, now)


async def _suppress(
    hands: Hands, conn: AsyncConnection, outcomes: Sequence[tuple[Claimed, Outcome]], now: datetime
) -> None:
    dead = {
        place_of(one.content.channel, one.content.endpoint)
        for one, outcome in outcomes
        if isinstance(outcome, Rejected) and outcome.suppress
    }
    if dead:
        await suppress(hands.db, conn, hands.counter.rules.workspace, dead, Reason.REJECTED_PERMANENTLY, now)


async def _note_gateway(hands: Hands, conn: AsyncConnection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """The circuit, throttling and pause of the gateway after a call."""
    workspace, name = hands.counter.rules.workspace, hands.counter.name
    state = await load_gate(conn, workspace, name)
    after = _gate_after(state, f"{workspace} {name}", outcomes, now)
    if after != state:
        state = await lock_gate(hands.db, conn, workspace, name)
        after = _gate_after(state, f"{workspace} {name}", outcomes, now)
        await save_gate(hands.db, conn, workspace, name, after)
    if after.paused and not state.paused:
        log.error("a gateway refuses our credentials", action="gateway_paused", gateway=name, workspace=workspace)
    metrics.CIRCUIT_OPEN.labels(name).set(after.circuit is not breaker.Circuit.CLOSED)


def _gate_after(
    state: breaker.GatewayState, of: str, outcomes: Sequence[Outcome], now: datetime
) -> breaker.GatewayState:
    credentials = [one for one in outcomes if isinstance(one, Rejected) and one.credentials]
    throttles = [one for one in outcomes if isinstance(one, Later) and one.throttled]
    failed = sum(isinstance(one, Ambiguous) or (isinstance(one, Later) and not one.throttled) for one in outcomes)
    taken = len(outcomes) - failed - len(credentials) - len(throttles)
    after = breaker.answered(state, taken, failed, now)
    for one in throttles:
        after = breaker.throttled(after, of, waited_for(one.after), now)
    if credentials:
        after = breaker.paused(after, credentials[0].said or Reason.CREDENTIALS)
    return after
