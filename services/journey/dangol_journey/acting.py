"""The acts of a plan, in order: each person's inputs together, until two people become one."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from dangol.events import Event
from dangol_journey.deciding import Rules, Subject, advance, join
from dangol_journey.model import Input
from dangol_journey.plan import Apply, Plan, Take, Unite
from dangol_journey.published import Published

BREATH = timedelta(milliseconds=20)


class JoinRaised(Exception):
    """Making two people one raised: nothing of it may be saved, and the event that asked for it is set aside."""

    def __init__(self, event: Event, error: str) -> None:
        super().__init__(error)
        self.event, self.error = event, error


@dataclass(slots=True)
class Breath:
    """Gives the loop its turn after every 20 ms of deciding; not on SQLite, where others wait for the transaction."""

    held: bool
    since: float = field(default_factory=time.monotonic)

    async def take(self) -> None:
        """Called between people."""
        if not self.held and time.monotonic() - self.since > BREATH.total_seconds():
            await asyncio.sleep(0)
            self.since = time.monotonic()


@dataclass(slots=True)
class Acting:
    """Deciding about the people of a plan; what became of them is in `subjects`."""

    rules: Rules
    published: Published
    subjects: Mapping[str, Subject]
    now: datetime
    breath: Breath
    pending: dict[str, list[Input]] = field(default_factory=dict)

    async def act(self, plan: Plan) -> None:
        """Do it all. Raises `JoinRaised`."""
        for act in plan.acts:
            match act:
                case Apply(profile, event):
                    self.pending.setdefault(profile, []).append(event)
                case Take(profile, (_, value)):
                    self.decide(profile)
                    self._take(profile, value)
                case Unite():
                    self._unite(act)
        await self.finish()

    async def finish(self) -> None:
        """Decide about everybody with inputs left."""
        for profile in list(self.pending):
            self.decide(profile)
            await self.breath.take()

    def decide(self, profile: str) -> None:
        """Decide about one person, if anything came for it."""
        inputs = self.pending.pop(profile, None)
        if inputs:
            subject = self.subjects[profile]
            advance(self.rules, self.published.of(subject.person.workspace), subject, inputs, self.now)

    def _unite(self, act: Unite) -> None:
        self.decide(act.winner)
        self.decide(act.loser)
        winner, loser = self.subjects[act.winner], self.subjects[act.loser]
        error = join(self.rules, self.published.of(winner.person.workspace), winner, loser, self.now)
        if error:
            raise JoinRaised(act.event, error)

    def _take(self, profile: str, value: str) -> None:
        """The id is another's from now on; the person's past stays."""
        subject = self.subjects[profile]
        left = [one for one in subject.person.anonymous_ids if one != value]
        subject.person = replace(subject.person, anonymous_ids=left)
