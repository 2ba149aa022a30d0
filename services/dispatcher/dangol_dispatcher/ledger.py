"""The ledger: what the rules' answer makes of a message, each transition as a named function."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from dangol.decisions import Reason, Verdict
from dangol.events import Fate
from dangol_dispatcher.model import (
    Claimed,
    Drop,
    Hold,
    SendRequest,
    Skip,
    Status,
)
from dangol_dispatcher.telling import Told

# A gateway, not a rule, said no on that channel.
GIVEN_UP = frozenset({Reason.REJECTED_PERMANENTLY, Reason.GAVE_UP})


class Waiting(msgspec.Struct, frozen=True):
    """A message of the queue as it stands."""

    request: SendRequest
    workspace: str
    profile: str  # of the person it is for now; a merge moves it
    status: Status
    due_at: datetime
    gateway: str = ""
    channel: str | None = None
    reason: str = ""
    details: Mapping[str, Any] = {}
    delivery: str | None = None
    decided: int = 0
    counted_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something may still become of it."""
        return self.status in (Status.ASKED, Status.HELD, Status.CLAIMED, Status.RETRYING)


class Slot(msgspec.Struct, frozen=True):
    """What becomes of the message's slot in the caps."""

    at: datetime | None  # None: it is free again, for surely nothing was sent


class Turn(msgspec.Struct, frozen=True):
    """What becomes of a message: its next state, the decisions told, and its fate where that is an event."""

    status: Status
    due_at: datetime
    reason: str
    details: Mapping[str, Any] = {}
    told: tuple[Told, ...] = ()
    fate: Fate | None = None
    gateway: str | None = None  # None: as it was
    channel: str | None = None
    passed: Mapping[str, str] | None = None
    slot: Slot | None = None  # None: as it was
    delivery: str | None = None  # the one that may not be left for another
    ended: str = ""  # of the delivery: its status


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
    if [why.reason for _, why in skipped] == [drop.reason]:
        told = ()  # of a single channel it would be the same thing said twice
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


def skips(waiting: Waiting, skipped: Sequence[tuple[str, Skip]]) -> tuple[Told, ...]:
    """The channels passed over, told when the message goes or ends; those given up were told when they were."""
    if waiting.status is Status.RETRYING:
        return ()
    return tuple(
        Told(Verdict.SKIPPED, why.reason, channel, None, why.details)
        for channel, why in skipped
        if channel not in waiting.request.passed
    )
