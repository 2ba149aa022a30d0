"""The ledger: every transition of a message as a named function of what it was, what was answered, and the moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from dangol.decisions import Reason, Verdict
from dangol.events import Fate
from dangol_dispatcher.model import (
    Accepted,
    Ambiguous,
    Claimed,
    Drop,
    Hold,
    Later,
    Mode,
    Outcome,
    Rejected,
    SendRequest,
    Skip,
    Status,
)
from dangol_dispatcher.schedule import next_attempt_at, waited_for
from dangol_dispatcher.telling import Told

# A gateway, not a rule, said no on that channel.
GIVEN_UP = frozenset({Reason.REJECTED_PERMANENTLY, Reason.GAVE_UP})
THROTTLED_FOR = timedelta(seconds=30)  # where the gateway does not say for how long
TRY_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message of the queue as it stands."""

    request: SendRequest
    workspace: str
    profile: str  # of the person it is for now; a merge moves it
    status: Status
    due_at: datetime
    gateway: str = ""
    channel: str | None = None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    delivery: str | None = None
    decided: int = 0
    counted_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something may still become of it."""
        return self.status in (Status.ASKED, Status.HELD, Status.CLAIMED, Status.RETRYING)


@dataclass(frozen=True, slots=True)
class Slot:
    """What becomes of the message's slot in the caps."""

    at: datetime | None  # None: it is free again, for surely nothing was sent


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of a message: its next state, the decisions told, and its fate where that is an event."""

    status: Status
    due_at: datetime
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    fate: Fate | None = None
    gateway: str | None = None  # None: as it was
    channel: str | None = None
    passed: Mapping[str, str] | None = None
    slot: Slot | None = None  # None: as it was
    delivery: str | None = None  # the one that may not be left for another
    ended: str = ""  # of the delivery: its status


# ── the rules' answers ────────────────────────────────────────────────────────────────────────────


def held(waiting: Waiting, hold: Hold, gateway: str | None = None) -> Turn:
    """asked, held, retrying → held (a retry stays one). Told once for each reason, not at every look."""
    status = Status.RETRYING if waiting.status is Status.RETRYING else Status.HELD
    same = waiting.reason == hold.reason and dict(waiting.details) == dict(hold.details)
    told = () if same else (Told(Verdict.HELD, hold.reason, waiting.channel, None, hold.details),)
    return Turn(
        status,
        hold.until,
        hold.reason,
        hold.details,
        told,
        gateway=gateway,
        channel=waiting.channel,
        delivery=waiting.delivery,
    )


def dropped(waiting: Waiting, drop: Drop, skipped: Sequence[tuple[str, Skip]], now: datetime) -> Turn:
    """open → dropped, expired or failed; unknown where an earlier try may have been taken."""
    told = skips(waiting, skipped)
    if waiting.delivery:
        end = Told(Verdict.UNKNOWN, Reason.AMBIGUOUS, waiting.channel, waiting.gateway, {"then": drop.reason})
        return Turn(
            Status.UNKNOWN, now, Reason.AMBIGUOUS, drop.details, (*told, end), Fate.UNKNOWN, channel=waiting.channel
        )
    refused = [why.reason for _, why in skipped if why.reason in GIVEN_UP]
    if drop.reason == Reason.EXPIRED:
        status, fate, verdict, reason = Status.EXPIRED, Fate.EXPIRED, Verdict.DROPPED, drop.reason
    elif drop.reason == Reason.CANCELLED:
        status, fate, verdict, reason = Status.CANCELLED, Fate.DROPPED, Verdict.DROPPED, drop.reason
    elif refused:
        status, fate, verdict, reason = Status.FAILED, Fate.FAILED, Verdict.FAILED, refused[-1]
    else:
        status, fate, verdict, reason = Status.DROPPED, Fate.DROPPED, Verdict.DROPPED, drop.reason
    told = (*told, Told(verdict, reason, waiting.channel, None, drop.details))
    return Turn(status, now, reason, drop.details, told, fate, channel=waiting.channel, slot=Slot(None))


def cancelled(waiting: Waiting, reason: str, now: datetime) -> Turn | None:
    """asked, held, retrying → cancelled; None for what was claimed, or may have been taken."""
    if waiting.status is Status.CLAIMED or waiting.delivery:
        return None
    told = Told(Verdict.DROPPED, Reason.CANCELLED, waiting.channel, None, {"because": reason})
    return Turn(Status.CANCELLED, now, Reason.CANCELLED, {"because": reason}, (told,), Fate.DROPPED, slot=Slot(None))


def moved(waiting: Waiting, gateway: str, channel: str, now: datetime) -> Turn:
    """To the queue of the gateway it will leave by; nothing is decided. A slot of another channel is given back."""
    return Turn(
        waiting.status,
        now,
        waiting.reason,
        waiting.details,
        gateway=gateway,
        channel=channel,
        slot=Slot(None) if waiting.request.counted not in ("", channel) else None,
        delivery=waiting.delivery,
    )


def claimed(waiting: Waiting, one: Claimed, skipped: Sequence[tuple[str, Skip]], counts: bool, now: datetime) -> Turn:
    """asked, held, retrying → claimed: the row says it is being tried before the gateway hears of it."""
    return Turn(
        Status.CLAIMED,
        one.lease_until,
        Reason.ALLOWED,
        told=skips(waiting, skipped),
        gateway=one.gateway,
        channel=one.content.channel,
        slot=Slot(now) if counts else None,
        delivery=one.delivery,
    )


# ── the gateway's answers ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tried:
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
            return ambiguous(waiting, tried, outcome.said, now)
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


def ambiguous(waiting: Waiting, tried: Tried, said: str, now: datetime) -> Turn:
    """claimed → retrying with the same key or blindly once, or unknown: as the mode says."""
    one = tried.claimed
    at = _repeat_at(waiting, tried, now)
    if at is not None:
        return _again(one, Reason.AMBIGUOUS, said, at, "ambiguous", sure=False)
    told = Told(Verdict.UNKNOWN, Reason.AMBIGUOUS, one.content.channel, one.gateway, _said(said, attempt=one.attempt))
    return _ended(one, Status.UNKNOWN, Reason.AMBIGUOUS, told, Fate.UNKNOWN, now)


def _repeat_at(waiting: Waiting, tried: Tried, now: datetime) -> datetime | None:
    """When a delivery of unknown fate may be handed over again: while the gateway honours its key, or blindly once."""
    one = tried.claimed
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


def skips(waiting: Waiting, skipped: Sequence[tuple[str, Skip]]) -> tuple[Told, ...]:
    """The channels passed over, told when the message goes or ends; those given up were told when they were."""
    if waiting.status is Status.RETRYING:
        return ()
    return tuple(
        Told(Verdict.SKIPPED, why.reason, channel, None, why.details)
        for channel, why in skipped
        if channel not in waiting.request.passed
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
