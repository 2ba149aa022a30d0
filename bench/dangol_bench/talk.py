"""How a child of a measurement takes its questions: lines of JSON on its input, answered one by one."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


async def answer_lines(answer: Answer) -> None:
    """Answer until the input ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        sys.stdout.write(json.dumps(await answer(json.loads(line))) + "\n")
        sys.stdout.flush()


def live(main: Awaitable[None]) -> None:
    """Run a child's main on the fast loop."""

    async def whole() -> None:
        await main

    uvloop.run(whole())
