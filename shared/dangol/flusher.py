"""Lets writers who wait share the work: one write, and one acknowledgement for all of them."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from dangol import metrics
from dangol.errors import TooLarge, Unavailable
from dangol.stream import LARGEST, Outgoing

Write = Callable[[Sequence[Outgoing]], Awaitable[None]]


class Flusher:
    """Writes what is handed in, in its order, one write at a time; what comes meanwhile goes into the next."""

    def __init__(self, write: Write, *, breath: timedelta, deadline: timedelta, at_most: int, room: int) -> None:
        self._write, self._breath, self._deadline = write, breath.total_seconds(), deadline.total_seconds()
        self._at_most, self._room = at_most, room
        self._waiting: deque[tuple[Sequence[Outgoing], asyncio.Future[None]]] = deque()
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when it is written; raise `Unavailable` after the deadline, though it may still be written then.

        One value too large raises `TooLarge`, before it can spoil the write of all who wait.
        """
        refuse_too_large(outgoing)
        if not outgoing:
            return
        if self._count + len(outgoing) > self._room:
            raise Unavailable("the log is slower than its writers: too much waits for it")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((outgoing, done))
        self._count += len(outgoing)
        if self._task is None:
            self._task = asyncio.create_task(self._flush())
        late = loop.call_later(self._deadline, _give_up, done)
        try:
            await done
        finally:
            late.cancel()

    async def close(self) -> None:
        """Write what still waits."""
        while self._task:
            await asyncio.wait([self._task])

    async def _flush(self) -> None:
        try:
            await asyncio.sleep(self._breath)
            while taken := self._take():
                await self._write_for(taken)
        finally:
            self._task = None

    def _take(self) -> list[tuple[Sequence[Outgoing], asyncio.Future[None]]]:
        """The next writers in the queue's order, without those who gave up."""
        taken: list[tuple[Sequence[Outgoing], asyncio.Future[None]]] = []
        size = 0
        while self._waiting and size < self._at_most:
            outgoing, done = self._waiting.popleft()
            self._count -= len(outgoing)
            if not done.done():
                taken.append((outgoing, done))
                size += len(outgoing)
        return taken

    async def _write_for(self, taken: list[tuple[Sequence[Outgoing], asyncio.Future[None]]]) -> None:
        records = [one for outgoing, _ in taken for one in outgoing]
        begun = time.perf_counter()
        try:
            await self._write(records)
        except BaseException as error:
            metrics.APPEND_FAILURES.inc()
            for _, done in taken:
                if not done.done():
                    done.set_exception(error if isinstance(error, Exception) else Unavailable("the log is closing"))
            if not isinstance(error, Exception):
                raise
        else:
            for _, done in taken:
                if not done.done():
                    done.set_result(None)
            _count(records, time.perf_counter() - begun)


def _give_up(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(Unavailable("the log did not answer in time"))


def _count(records: Sequence[Outgoing], seconds: float) -> None:
    metrics.APPEND_SECONDS.observe(seconds)
    for topic, number in Counter([one.topic for one in records]).items():
        metrics.APPENDED.labels(topic).inc(number)


def refuse_too_large(outgoing: Sequence[Outgoing]) -> None:
    """Raise `TooLarge` for a value no broker would take."""
    for one in outgoing:
        if len(one.value) > LARGEST:
            raise TooLarge("too_large", f"a record of {len(one.value)} bytes: the log takes {LARGEST}", where=one.name)
