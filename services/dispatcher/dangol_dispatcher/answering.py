"""What a gateway's answer makes of a message: every transition of a claimed delivery as a named function."""

from datetime import datetime, timedelta
from typing import Any, assert_never

import msgspec

from dangol.decisions import Reason, Verdict
from dangol.events import Fate
from dangol_dispatcher.ledger import Slot, Turn, Waiting
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Hold, Later, Mode, Outcome, Rejected, Status
from dangol_dispatcher.schedule import next_attempt_at, waited_for
from dangol_dispatcher.telling import Told

# While it was with them: then a delivery is tried again by its schedule only. Where workers end every two seconds a
# quarter of what is out is hit each time, and one delivery in 20,000 seven times by chance: no fault of its own.
WORKERS_ENDED = 10
THROTTLED_FOR = timedelta(seconds=30)  # where the gateway does not say for how long


class Tried(msgspec.Struct, frozen=True):
    """A claimed delivery with what its row counts. `key_until`: while the gateway honours the key."""

    claimed: Claimed
    counted_attempts: int  # those before this one
    ambiguous: int
    key_until: datetime | None


def answered(waiting: Waiting, tried: Tried, outcome: Outcome, now: datetime) -> Turn:
    """claimed → sent, retrying, unknown; or back to the rules, for the next channel."""
    match outcome:
        case Accepted():
            return sent(tried, outcome, now)
        case Rejected():
            return unauthorised(tried, outcome, now) if outcome.credentials else refused(waiting, tried, outcome, now)
        case Later():
            return (
                slowed(waiting, tried, outcome, now) if outcome.throttled else postponed(waiting, tried, outcome, now)
            )
        case Ambiguous():
            return ambiguous(waiting, tried, outcome, now)
        case _:
            assert_never(outcome)


def sent(tried: Tried, outcome: Accepted, now: datetime) -> Turn:
    """claimed → sent."""
    one = tried.claimed
    told = Told(
        Verdict.SENT, Reason.ACCEPTED, one.content.channel, one.gateway, _said(outcome.said, attempt=one.attempt)
    )
    return _ended(one, Status.SENT, Reason.ACCEPTED, told, Fate.SENT, now)


def unauthorised(tried: Tried, outcome: Rejected, now: datetime) -> Turn:
    """claimed → retrying: our credentials were refused. The gateway pauses; nothing is failed for it."""
    return _again(tried.claimed, Reason.CREDENTIALS, outcome.said, now, "retrying", sure=tried.ambiguous == 0)


def slowed(waiting: Waiting, tried: Tried, outcome: Later, now: datetime) -> Turn:
    """claimed → retrying: we were asked to slow down; no attempt is counted."""
    at = min(now + (waited_for(outcome.after) or THROTTLED_FOR), waiting.request.expires_at)
    return _again(tried.claimed, Reason.TEMPORARY_FAILURE, outcome.said, at, "retrying", sure=tried.ambiguous == 0)


def postponed(waiting: Waiting, tried: Tried, outcome: Later, now: datetime) -> Turn:
    """claimed → retrying by the schedule; at its end, or past the message's, the channel is given up."""
    one, number = tried.claimed, tried.counted_attempts + 1
    at = next_attempt_at(one.content.channel, one.delivery, number, outcome.after, now)
    if at is None or at >= waiting.request.expires_at:  # too late on this channel; another may still do
        return _next_channel(waiting, tried, Reason.GAVE_UP, outcome.said, now)
    return _again(one, Reason.TEMPORARY_FAILURE, outcome.said, at, "retrying", sure=tried.ambiguous == 0)


def refused(waiting: Waiting, tried: Tried, outcome: Rejected, now: datetime) -> Turn:
    """claimed → held, due at once, without this channel: the next one, or failed where there is none."""
    return _next_channel(waiting, tried, Reason.REJECTED_PERMANENTLY, outcome.said, now)


def ambiguous(waiting: Waiting, tried: Tried, outcome: Ambiguous, now: datetime) -> Turn:
    """claimed → retrying with the same key or blindly once, or unknown: as the mode says."""
    one, said = tried.claimed, outcome.said
    at = _repeat_at(waiting, tried, outcome, now)
    if at is not None:
        return _again(one, Reason.AMBIGUOUS, said, at, "ambiguous", sure=False)
    told = Told(Verdict.UNKNOWN, Reason.AMBIGUOUS, one.content.channel, one.gateway, _said(said, attempt=one.attempt))
    return _ended(one, Status.UNKNOWN, Reason.AMBIGUOUS, told, Fate.UNKNOWN, now)


def no_fault_of_the_gateway(tried: Tried, outcome: Ambiguous) -> bool:
    """A worker's end is waited for by nobody and counts for no attempt, unless this delivery seems to end workers."""
    return outcome.worker_gone and tried.ambiguous < WORKERS_ENDED


def _repeat_at(waiting: Waiting, tried: Tried, outcome: Ambiguous, now: datetime) -> datetime | None:
    """When a delivery of unknown fate may be handed over again: while the gateway honours its key, or blindly once."""
    one = tried.claimed
    at: datetime | None = now
    if not no_fault_of_the_gateway(tried, outcome):
        at = next_attempt_at(one.content.channel, one.delivery, tried.counted_attempts + 1, None, now)
    if at is None or at >= waiting.request.expires_at:
        return None
    keyed = one.mode is Mode.EFFECTIVELY_ONCE and tried.key_until is not None and at < tried.key_until
    return at if keyed or _blind(waiting, tried) else None


def _blind(waiting: Waiting, tried: Tried) -> bool:
    """One repeat without a key, where a second copy is the lesser evil."""
    mode = tried.claimed.mode
    at_least = mode is Mode.AT_LEAST_ONCE or (
        mode is Mode.EFFECTIVELY_ONCE and waiting.request.category == "transactional"
    )
    return at_least and tried.ambiguous == 0


def taken_back(tried: Tried, hold: Hold, *, first: bool) -> Turn:
    """claimed → held (or retrying): a rule said no after the claim, before the call. Surely nothing was sent."""
    one = tried.claimed
    status = Status.RETRYING if tried.ambiguous else Status.HELD
    return Turn(
        status,
        hold.until,
        hold.reason,
        hold.details,
        channel=one.content.channel,
        slot=Slot(None) if first else None,
        delivery=one.delivery if tried.ambiguous else None,
        ended="ambiguous" if tried.ambiguous else "retrying",
    )


def _ended(one: Claimed, status: Status, reason: str, told: Told, fate: Fate, now: datetime) -> Turn:
    return Turn(
        status,
        now,
        reason,
        told.details,
        (told,),
        fate,
        channel=one.content.channel,
        ended=status.value,
    )


def _again(one: Claimed, reason: str, said: str, at: datetime, ended: str, *, sure: bool) -> Turn:
    """`sure`: no try of it may have been taken, so the rules may still choose otherwise."""
    details = _said(said, at=at.isoformat(), attempt=one.attempt)
    told = Told(Verdict.RETRIED, reason, one.content.channel, one.gateway, details)
    return Turn(
        Status.RETRYING,
        at,
        reason,
        details,
        (told,),
        channel=one.content.channel,
        delivery=None if sure else one.delivery,
        ended=ended,
    )


def _next_channel(waiting: Waiting, tried: Tried, reason: str, said: str, now: datetime) -> Turn:
    """Back to the rules at once; a delivery that may have been taken earlier stays unknown instead."""
    one = tried.claimed
    if tried.ambiguous:
        told = Told(Verdict.UNKNOWN, reason, one.content.channel, one.gateway, _said(said, attempt=one.attempt))
        return _ended(one, Status.UNKNOWN, reason, told, Fate.UNKNOWN, now)
    told = Told(Verdict.SKIPPED, reason, one.content.channel, one.gateway, _said(said, attempt=one.attempt))
    return Turn(
        Status.HELD,
        now,
        reason,
        told.details,
        (told,),
        channel=one.content.channel,
        passed={**waiting.request.passed, one.content.channel: reason},
        slot=Slot(None),
        ended="failed",
    )


def _said(said: str, **more: Any) -> dict[str, Any]:
    return more | ({"said": said} if said else {})
