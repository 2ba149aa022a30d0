"""HTTP peers for webhooks: one that answers as told, one that must never be connected to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Peer:
    """What came: the heads and bodies of requests, and how many connections were made."""

    port: int = 0
    connections: int = 0
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """A path on it."""
        return f"http://127.0.0.1:{self.port}/in"


Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


def reply(status: str, body: bytes = b"", **headers: str) -> Answering:
    """An answer: `reply("429 Slow", Retry_After="120")`."""

    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return write


@asynccontextmanager
async def peer(*answers: Answering, host: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """A peer that gives these answers in turn, the last again and again; with none it never answers."""
    seen = Peer()
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            await _take(seen, reader)
            if not answers:
                await over.wait()
                return
            await answers[min(len(seen.bodies), len(answers)) - 1](writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def _take(seen: Peer, reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    named = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
    body = await reader.readexactly(int(named.get("content-length", "0")))
    seen.heads.append(named | {":line": head[0]})
    seen.bodies.append(body)
