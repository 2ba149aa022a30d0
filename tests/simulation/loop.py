"""An event loop whose time is virtual: what is to happen next happens now, always in the same order."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from tests.simulation.process import OF, Killed, Process

NEVER = "nothing is left that could ever happen: somebody waits for what will not come"


class Sleeper:
    """Stands where a loop waits for its sockets: it moves the time on to the next timer."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        """Nothing comes from outside."""
        if timeout is None:
            raise RuntimeError(NEVER)
        self._loop.seconds += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Its tasks are known to the process they belong to; what a task raised and nobody saw is in `unseen`."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.unseen: list[str] = []
        self._selector = Sleeper(self)
        self._clock_resolution = 1e-6
        self.set_task_factory(_task_of_its_process)  # type: ignore[arg-type]
        self.set_exception_handler(self._see)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self.seconds

    def run_in_executor(  # type: ignore[override]
        self, _executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """At once: a thread would make each run another."""
        done = self.create_future()
        done.set_result(func(*args))
        return done

    def _process_events(self, event_list: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else wakes it."""

    def _see(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed):
            self.unseen.append(f"{context.get('message')}: {error!r}")


def _task_of_its_process(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: contextvars.Context | None = None
) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context)
    process: Process | None = OF.get() if context is None else context.get(OF)
    if process is not None:
        process.own(task)
    return task
