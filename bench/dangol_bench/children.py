"""Processes of a measurement: started, asked over pipes in lines of JSON, watched for what CPU they use, ended."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dangol_bench.model import Untrue

TICKS = os.sysconf("SC_CLK_TCK")
ENDS_WITHIN = 30.0
LONGEST_LINE = 64 * 1024 * 1024  # an answer may list every arrival


class Child:
    """A process that takes a line of JSON and gives one back."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def ask(self, **asked: Any) -> Any:
        """One question, one answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise Untrue(f"a process of the measurement ended, asked to {asked.get('do')}")
        return json.loads(line)


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """A module of this package as a process of its own, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"dangol_bench.{module}",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    try:
        yield Child(process)
    finally:
        assert process.stdin
        process.stdin.close()  # it ends with its input
        await ended(process)


@asynccontextmanager
async def dangol(
    arguments: Sequence[str], place: Path, environment: Mapping[str, str], name: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of the product, running until the block ends; its output in PLACE/NAME.log."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DANGOL_")}
    with (place / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dangol",
            *arguments,
            cwd=place,
            env=kept | dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await ended(process)


async def ended(process: asyncio.subprocess.Process) -> int:
    """Wait for its end, in good order or else by force; its exit code."""
    try:
        async with asyncio.timeout(ENDS_WITHIN):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process, and those it started, have used so far."""
    parents: dict[int, list[tuple[int, float]]] = {}
    own = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used = sum(int(field) for field in fields[11:15]) / TICKS  # its own and that of those it has waited for
        process = int(stat.parent.name)
        own = used if process == pid else own
        parents.setdefault(int(fields[1]), []).append((process, used))
    return own + sum(used for _, used in _below(pid, parents))


def _below(pid: int, parents: Mapping[int, list[tuple[int, float]]]) -> list[tuple[int, float]]:
    children = parents.get(pid, [])
    return children + [below for process, _ in children for below in _below(process, parents)]
