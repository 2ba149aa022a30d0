"""What conditions and templates may name: profile, event, context, entry, latest, seen, and the steps' results."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dangol.events import Fate
from dangol_journey.journey import Expression, Missing
from dangol_journey.model import Enrolment, Sent
from dangol_journey.traits import profile_of
from dangol_journey.turn import Turn, zone_of_person

MAX_VALUES = 32 * 1024  # bytes of JSON a message carries
EXPENDABLE = ("context", "latest", "entry", "event")  # dropped in this order where that is not enough
KEPT_TRAITS = ("name", "email", "phone", "user_id", "locale", "timezone")
NOT_SAID = ("seen", "now", "zone")  # for conditions alone
FATES = frozenset(Fate)
_encode = msgspec.json.Encoder().encode


def scope_of(turn: Turn, enrolment: Enrolment | None = None) -> dict[str, Any]:
    """The namespaces of a condition. Where a moment or a message's fate led here, `event` is the newest entry event."""
    event = turn.event
    persons_own = event is not None and event.name not in FATES
    if turn.profile is None:
        turn.profile = profile_of(turn.definitions, turn.person)
    scope = results_of(enrolment) if enrolment else {}
    scope |= {
        "profile": turn.profile,
        "event": event.properties if event and (persons_own or enrolment is None) else {},
        "context": event.context if event else {},
        "now": turn.moment,
        "zone": zone_of_person(turn).key,
    }
    if enrolment is not None:
        if not persons_own:
            scope["event"] = enrolment.latest or enrolment.entry
        scope |= {
            "entry": enrolment.entry,
            "latest": enrolment.latest or enrolment.entry,
            "seen": enrolment.seen or [enrolment.entry],
        }
    return scope


def results_of(enrolment: Enrolment) -> dict[str, Any]:
    """The results of the steps gone through, by their names: `gift.expires_at`, `mail.opened`."""
    results = {name: _with_moments(result) for name, result in enrolment.results.items()}
    return results | {name: _of_sent(sent) for name, sent in enrolment.sends.items()}


def met(turn: Turn, condition: Expression | None, of: Enrolment | None = None, **others: Any) -> bool:
    """Whether a condition is met; one that names what is not there is not. `others` take the place of namespaces."""
    if condition is None:  # most rules have none: nothing is looked up for them
        return True
    try:
        return condition.value(scope_of(turn, of) | others) is True
    except Missing:
        return False


def values_of(turn: Turn, enrolment: Enrolment) -> tuple[dict[str, Any], list[str]]:
    """What a message of this enrolment carries for its template, at most 32 KB, and the names that were cut for it.

    Whole namespaces go first (context, latest, entry, event), then all traits but the known ones.
    """
    values = {name: value for name, value in scope_of(turn, enrolment).items() if name not in NOT_SAID}
    cut: list[str] = []
    for name in EXPENDABLE:
        if _size(values) <= MAX_VALUES:
            return values, cut
        del values[name]
        cut.append(name)
    if _size(values) > MAX_VALUES:
        profile = values["profile"]
        values["profile"] = {name: profile[name] for name in KEPT_TRAITS if name in profile}
        cut.append("profile")
    return values, cut


def _size(values: Mapping[str, Any]) -> int:
    return len(_encode(values))


def _with_moments(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as conditions read it: its moments are moments."""
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and isinstance(value, str) else value
        for name, value in result.items()
    }


def _of_sent(sent: Sent) -> dict[str, Any]:
    result = {
        "sent": sent.fate == "sent",
        "delivered": sent.delivered,
        "opened": sent.opened,
        "clicked": sent.clicked,
        "fate": sent.fate,
        "channel": sent.channel,
        "sent_at": sent.sent_at,
    }
    return {name: value for name, value in result.items() if value is not None}
