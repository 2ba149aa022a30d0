"""Providers and their ledger: they take, refuse, go slow, fall silent, and say one thing after doing another."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from dangol.clock import Clock
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Gateway, Later, Outcome, Rejected
from tests.simulation.process import Process

HONOURS_KEYS = {"push": timedelta(hours=24), "sms": timedelta(hours=24)}
# What may become of a call in bad weather, and how likely that is beside the others.
WAYS = {
    "taken": 50,
    "later": 8,
    "throttled": 2,
    "refused": 2,
    "lost_before": 6,
    "lost_after": 8,
    "error_after": 6,
    "hangs_before": 2,
    "hangs_after": 2,
    "raises_after": 2,
}


Told = tuple[str, Literal["delivered", "bounced", "complained"], str]  # message, kind, the provider's event


@dataclass(slots=True)
class Call:
    """One delivery of one call. `at`: when the provider's door was opened; `taken_at`: when it took the message."""

    at: datetime
    key: str
    message: str
    profile: str
    channel: str
    endpoint: str
    attempt: int
    possible_duplicate: bool
    content: bytes
    taken_at: datetime | None = None
    said: str = ""


@dataclass(slots=True)
class Ledger:
    """What all providers were called for, in order; `told` are receipts on their way: (message, kind, event)."""

    clock: Clock
    chance: Random
    bad_weather: bool = False
    calls: list[Call] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)  # endpoints nobody is at
    receipts: list[Told] = field(default_factory=list)

    def pace(self) -> float:
        """How long a provider takes: all together in good weather, each as it likes in bad."""
        return 0.005 + self.chance.random() * 0.1 if self.bad_weather else 0.03


class Provider:
    """One gateway of one process; what it did is in the ledger, which no process has."""

    batch = 50
    concurrency = 4
    deadline = timedelta(seconds=10)

    def __init__(self, name: str, channel: str, process: Process, ledger: Ledger) -> None:
        self.name, self.channel, self.process, self.ledger = name, channel, process, ledger
        self.key_window: timedelta | None = HONOURS_KEYS.get(channel)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Each delivery has a fate of its own; the answer to all of them comes, or does not."""
        self.process.does()
        calls = [self._call(one) for one in claimed]
        ways = [self._way(one) for one in calls]
        await asyncio.sleep(self.ledger.pace())
        if not self.process.dead or self.ledger.chance.random() < 0.5:  # a request already on its way arrives
            for call, way in zip(calls, ways, strict=True):
                self._take(call, way)
        self.process.does()
        if any(way.startswith("hangs") for way in ways):
            await asyncio.sleep(self.ledger.chance.choice((12, 14.9, 40)))
        if any(way.startswith("raises") for way in ways):
            raise ConnectionResetError("simulated")
        self.process.does()
        return [self._answer(call, way) for call, way in zip(calls, ways, strict=True)]

    async def close(self) -> None:
        """Nothing is held."""

    def _call(self, one: Claimed) -> Call:
        call = Call(
            at=self.ledger.clock(),
            key=one.delivery,
            message=one.message,
            profile=one.profile,
            channel=self.channel,
            endpoint=one.content.endpoint,
            attempt=one.attempt,
            possible_duplicate=one.possible_duplicate,
            content=repr(sorted(one.content.parts.items())).encode() + one.content.raw,
        )
        self.ledger.calls.append(call)
        return call

    def _way(self, call: Call) -> str:
        if call.endpoint in self.ledger.dead:
            return "refused_dead"
        if not self.ledger.bad_weather:
            return "taken"
        way = self.ledger.chance.choices(list(WAYS), list(WAYS.values()))[0]
        return "taken" if way == "refused" and call.channel == "email" else way

    def _take(self, call: Call, way: str) -> None:
        if way == "taken" or way.endswith("_after"):
            call.taken_at = self.ledger.clock()
            self._tell(call)

    def _tell(self, call: Call) -> None:
        """Receipts come late, twice, in any order, or not at all."""
        chance = self.ledger.chance
        if chance.random() < 0.15:
            told: Told = (call.message, "delivered", f"d-{call.key}")
            self.ledger.receipts += [told] * chance.choice((1, 1, 2))
        if self.ledger.bad_weather and call.channel != "email" and chance.random() < 0.02:
            self.ledger.receipts.append((call.message, "bounced", f"b-{call.key}"))

    def _answer(self, call: Call, way: str) -> Outcome:
        call.said = way
        match way.partition("_")[0]:
            case "taken" | "hangs" | "raises":
                return Accepted(f"p-{call.key}") if call.taken_at else Ambiguous("no answer")
            case "later":
                return Later("busy")
            case "throttled":
                return Later("slow down", timedelta(seconds=self.ledger.chance.choice((30, 120, 3600))), throttled=True)
            case "refused":
                return Rejected("nobody there", suppress=True)
            case _:
                return Ambiguous("no answer")


def open_providers(process: Process, ledger: Ledger, channels: Mapping[str, str]) -> dict[str, Gateway]:
    """The gateways of a process: gateway → channel."""
    return {name: Provider(name, channel, process, ledger) for name, channel in channels.items()}
