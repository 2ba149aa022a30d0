"""A server for tests: what it takes to run one, and the running one, to be stopped, killed and started again."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.programs import Unobtainable, identity

T = TypeVar("T")
STARTS_WITHIN = 90.0  # seconds; Kafka takes 4 on an idle machine
STOPS_WITHIN = 15.0


@dataclass(frozen=True)
class Launch:
    """What it takes to run a server in the foreground on a fixed address, as often as wanted."""

    command: tuple[str, ...]
    url: str
    stop: signal.Signals = signal.SIGTERM
    data: Path | None = None  # removed by `remove`
    user: str | None = None  # run as this user; None for ourselves
    container: str | None = None  # where `command` is Docker's client: the name of its container, and of its volume


class Server:
    """A running server. `answers` is awaited until it no longer raises; it is told the URL.

    Starting blocks: an async test starts and stops it through `asyncio.to_thread`.
    """

    def __init__(self, launch: Launch, answers: Callable[[str], Awaitable[None]]) -> None:
        self.launch = launch
        self.url = launch.url
        self._answers = answers
        self.start()

    def start(self) -> None:
        """Start it, anew where it was stopped, and return when it answers; `Unobtainable` when it does not."""
        self.process = subprocess.Popen(
            self.launch.command,
            cwd=self.launch.data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **identity(self.launch.user),
        )
        until = time.monotonic() + STARTS_WITHIN
        while (trouble := quietly(self._trouble())) is not None:
            if not self.alive() or time.monotonic() > until:
                self.kill()
                raise Unobtainable(f"{self.launch.command[0]} did not come up: {trouble!r}")
            time.sleep(0.1)

    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End it in good order, or by force when that takes too long."""
        if self.alive():
            self.process.send_signal(self.launch.stop)
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and every process it made, as a power cut would."""
        if self.alive():
            self._signal(signal.SIGSTOP, "pause")  # so that it makes no more of them meanwhile
            self._signal_children(signal.SIGKILL)
        self._signal(signal.SIGKILL, "kill")
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Stop it and every process it made in their tracks, their connections open, until `resume`."""
        self._signal(signal.SIGSTOP, "pause")
        self._signal_children(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal_children(signal.SIGCONT)
        self._signal(signal.SIGCONT, "unpause")

    def remove(self) -> None:
        """Stop it for good and remove its data."""
        self.stop()
        if self.launch.data:
            shutil.rmtree(self.launch.data, ignore_errors=True)
        if self.launch.container:
            subprocess.run(["docker", "volume", "rm", "-f", self.launch.container], capture_output=True, check=False)

    def _signal(self, number: signal.Signals, in_docker: str) -> None:
        """Signal the server itself: Docker's client passes none of these on."""
        if self.launch.container:
            subprocess.run(["docker", in_docker, self.launch.container], capture_output=True, check=False)
        else:
            self.process.send_signal(number)

    def _signal_children(self, number: signal.Signals) -> None:
        """In a container the signal went to all of them."""
        for child in [] if self.launch.container else _children(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, number)

    async def _trouble(self) -> Exception | None:
        try:
            async with asyncio.timeout(5):
                await self._answers(self.url)
        except Exception as error:  # noqa: BLE001 - whatever a server half up makes its client raise
            return error
        return None


def _children(pid: int) -> list[int]:
    """The processes a process made: PostgreSQL's stand in groups of their own, and would live on for a moment."""
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in told.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run it on a loop of its own, leaving the thread's current loop as it is."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
