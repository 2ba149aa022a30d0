"""Builders of what services tell one another, with defaults."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from dangol.codec import encode
from dangol.decisions import Decision, Verdict
from dangol.events import Event, key_of
from dangol.service import House, Service
from dangol.stream import Outgoing
from dangol.topics import Topic

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def event(name: str = "Signed Up", **changes: Any) -> Event:
    """An event of u1 at noon."""
    said: dict[str, Any] = {"workspace": "default", "id": f"{name}-1", "name": name, "user_id": "u1"}
    said |= {"at": NOON, "received_at": NOON}
    return Event(**said | changes)


def decision(verdict: Verdict = Verdict.SENT, reason: str = "accepted", **changes: Any) -> Decision:
    """A decision about u1 at noon, named by all it says."""
    said: dict[str, Any] = {"workspace": "default", "at": NOON, "by": "journey", "user_id": "u1", "profile": "p1"}
    said |= {"verdict": verdict, "reason": reason}
    return Decision(**{"id": repr((verdict, reason, sorted(changes.items())))} | said | changes)


async def tell(house: House, *payloads: Event | Decision) -> None:
    """Append them to the log."""
    await house.stream.append([_outgoing(one) for one in payloads])


async def tell_and_wait(house: House, service: Service, *payloads: Event | Decision) -> None:
    """Append them, and wait until the service has read all of it."""
    await tell(house, *payloads)
    async with asyncio.timeout(timedelta(seconds=20).total_seconds()):
        while not await service.idle(house.clock()):  # noqa: ASYNC110 - a service tells only when asked
            await asyncio.sleep(0.005)


def _outgoing(payload: Event | Decision) -> Outgoing:
    topic, key = (Topic.EVENTS, key_of(payload)) if isinstance(payload, Event) else (Topic.DECISIONS, "default/u1")
    return Outgoing(topic, key, encode(payload), payload.id)
