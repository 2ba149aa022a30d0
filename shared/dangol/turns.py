"""Who is next at a database of one connection: clients and moments, then all others as they came, archives last.

Who comes first gets small batches, who comes later finds larger ones: so a crowd at the door is let in at once, and
what it leads to is done a hundred at a time.
"""

import asyncio
from collections import deque
from enum import IntEnum

PATIENCE = 0.25  # seconds after which who is patient is no longer passed over


class Haste(IntEnum):
    """How long somebody may wait."""

    URGENT = 0  # a client waits for the answer, or a moment has come: next, but never twice while others wait
    FAIR = 1  # in the order they came
    PATIENT = 2  # after all others, for `PATIENCE`


class Turns:
    """One at a time has the turn."""

    def __init__(self) -> None:
        self.taken = False
        self._last = Haste.FAIR
        self._waiting: dict[Haste, deque[tuple[float, asyncio.Future[None]]]] = {haste: deque() for haste in Haste}

    async def take(self, haste: Haste) -> None:
        """Return when it is ours; `give` must be called then."""
        if not self.taken:
            self.taken, self._last = True, haste
            return
        loop = asyncio.get_running_loop()
        ours = loop.create_future()
        self._waiting[haste].append((loop.time(), ours))
        try:
            await ours
        except asyncio.CancelledError:
            if not ours.cancelled():
                self.give()  # it came as we left: to the next
            raise

    def give(self) -> None:
        """To whoever is next, or back."""
        for haste in self._order():
            waiting = self._waiting[haste]
            while waiting:
                _, next_one = waiting.popleft()
                if not next_one.done():
                    self._last = haste
                    next_one.set_result(None)
                    return
        self.taken, self._last = False, Haste.FAIR

    def _order(self) -> tuple[Haste, ...]:
        patient = self._waiting[Haste.PATIENT]
        if patient and patient[0][0] + PATIENCE < asyncio.get_running_loop().time():
            return Haste.PATIENT, Haste.URGENT, Haste.FAIR
        if self._last is Haste.URGENT:
            return Haste.FAIR, Haste.URGENT, Haste.PATIENT
        return Haste.URGENT, Haste.FAIR, Haste.PATIENT
