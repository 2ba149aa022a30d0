"""A process of the simulation: it has tasks, it may be killed between any two of its doings, and then does nothing."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """The process is gone: whatever it was doing did not go on."""


@dataclass(eq=False)
class Process:
    """`fuse`: it dies at so many doings from now. `on_death` is called at that very moment, before anything else."""

    name: str
    on_death: Callable[["Process"], None] = lambda _process: None
    fuse: int | None = None
    dead: bool = False
    doings: int = 0
    _tasks: dict["asyncio.Task[Any]", None] = field(default_factory=dict)

    def own(self, task: "asyncio.Task[Any]") -> None:
        """A task began here."""
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def does(self) -> None:
        """Called before, and after, whatever the world could see of it. Raises `Killed`."""
        if self.dead:
            raise Killed(self.name)
        self.doings += 1
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.die()
                raise Killed(self.name)

    def die(self) -> None:
        """As `kill -9` does it."""
        if not self.dead:
            self.dead, self.fuse = True, None
            self.on_death(self)

    async def bury(self) -> None:
        """Its tasks end; they find that nothing can be done any more."""
        self.dead = True
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)
        for task in list(self._tasks):
            with suppress(BaseException):
                task.result()
        self._tasks.clear()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        if not self.dead and not (task.done() and not task.cancelled() and task.exception()):
            self._tasks.pop(task, None)


OF: ContextVar[Process | None] = ContextVar("process", default=None)
