"""What the dispatcher tells, each named so that a repeat is one: decisions, and events of what became of a message."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from dangol.codec import encode
from dangol.decisions import Decision, Verdict
from dangol.events import Event, Fate, Origin, key_of, person_key
from dangol.messages import Message
from dangol.names import named
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_dispatcher.model import Recipient

BY = "dispatcher"


class Told(msgspec.Struct, frozen=True):
    """One decision about a message."""

    verdict: Verdict
    reason: str
    channel: str | None = None
    gateway: str | None = None
    details: Mapping[str, Any] = {}


class Whom(msgspec.Struct, frozen=True):
    """The person a message is about, under their newest ids."""

    key: str
    user_id: str | None
    anonymous_id: str | None


def whom(message: Message, recipient: Recipient | None) -> Whom:
    """The person's own ids as they are now, else as the message has them."""
    known = recipient if recipient and not recipient.erased else None
    user_id = (known.user_id if known else None) or message.user_id
    anonymous = message.anonymous_id or (known.anonymous_ids[-1] if known and known.anonymous_ids else None)
    key = (known.key if known else "") or message.key or person_key(message.workspace, user_id, anonymous)
    return Whom(key, user_id, anonymous)


def decisions(
    message: Message, person: Whom, profile: str, told: Iterable[Told], first: int, now: datetime
) -> list[Outgoing]:
    """The decisions, named by the message and their number in its life, counted from `first`."""
    made = [
        Decision(
            workspace=message.workspace,
            id=named("decision", message.id, number),
            at=now,
            by=BY,
            verdict=one.verdict,
            reason=one.reason,
            key=person.key,
            profile=profile,
            user_id=person.user_id,
            anonymous_id=person.anonymous_id,
            journey=message.journey,
            version=message.version,
            enrolment=message.enrolment,
            step=message.step,
            message=message.id,
            channel=one.channel,
            gateway=one.gateway,
            details=dict(one.details),
        )
        for number, one in enumerate(told, first)
    ]
    return [Outgoing(Topic.DECISIONS, decision.key, encode(decision), decision.id) for decision in made]


def fate_event(
    message: Message, person: Whom, fate: Fate, now: datetime, properties: Mapping[str, Any], about: str = ""
) -> Outgoing:
    """The event of what became of a message. `about` tells apart several of one kind (a provider's event, a link)."""
    event = Event(
        workspace=message.workspace,
        id=named("fate", message.id, fate, about),
        name=fate,
        user_id=person.user_id,
        anonymous_id=person.anonymous_id,
        properties=_properties(message) | {name: value for name, value in properties.items() if value},
        at=now,
        received_at=now,
        origin=Origin.SERVICE,
    )
    return Outgoing(Topic.EVENTS, key_of(event), encode(event), event.id)


def _properties(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.id,
        "journey": message.journey,
        "enrolment": message.enrolment,
        "step": message.step,
        "visit": message.visit,
    }
