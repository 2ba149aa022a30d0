"""A wire between a client and its server, on which answers can be held back or lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PIECE = 1 << 16


class Wire:
    """Forwards every byte, until it is told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._answering = asyncio.Event()
        self._answering.set()
        self._fatal: bytes | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.lost = 0  # answers

    def hold(self) -> None:
        """Keep every answer back; what clients say goes on to the server."""
        self._answering.clear()

    def release(self) -> None:
        """Cut whoever still waits for an answer, and forward again."""
        for writer in self._open:
            writer.close()
        self._answering.set()

    def lose_answer_to(self, words: bytes) -> None:
        """The next time a client says this, cut it when the server has answered."""
        self._fatal = words

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            server = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        doomed = asyncio.Event()
        self._open |= {writer, server[1]}
        both = [self._said(reader, server[1], doomed), self._answered(server[0], writer, doomed)]
        await asyncio.wait([asyncio.ensure_future(one) for one in both], return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, server[1]):
            end.close()
            self._open.discard(end)

    async def _said(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                if self._fatal and self._fatal in piece:
                    self._fatal = None
                    doomed.set()
                writer.write(piece)
                await writer.drain()

    async def _answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._answering.wait()
                if doomed.is_set():
                    self.lost += 1
                    return
                writer.write(piece)
                await writer.drain()


@asynccontextmanager
async def wire(listens: int, host: str, port: int) -> AsyncIterator[Wire]:
    """A wire from the port `listens` of loopback to a server."""
    one = Wire(host, port)
    listening = await asyncio.start_server(one.join, "127.0.0.1", listens)
    try:
        yield one
    finally:
        listening.close()
        one.release()
