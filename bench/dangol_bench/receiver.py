"""Where messages arrive: a process that takes webhooks and mails, and records what came when. It decides nothing."""

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from dangol_bench.talk import answer_lines, live

WHO = re.compile(rb"p(\d{12})")  # people of a measurement are p000000000001@bench.test, with the user id p000000000001
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(slots=True)
class Book:
    """What came: the moment (nanoseconds of CLOCK_REALTIME) and that part of it which says for whom."""

    arrivals: list[tuple[int, bytes]] = field(default_factory=list)
    wanted: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, whom: bytes) -> None:
        """One has come, whole."""
        self.arrivals.append((time.time_ns(), whom))
        if len(self.arrivals) >= self.wanted:
            self.enough.set()

    async def wait(self, wanted: int, seconds: float) -> int:
        """How many have come, once there are as many as wanted, or when the time is up."""
        self.wanted = wanted
        self.enough.clear()
        if len(self.arrivals) < wanted:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.enough.wait(), seconds)
        return len(self.arrivals)

    def told(self) -> list[tuple[int, int]]:
        """(person's number, moment) of each, in the order they came; people it cannot tell are -1. Then it is empty."""
        arrivals, self.arrivals = self.arrivals, []
        found = ((WHO.search(whom), at) for at, whom in arrivals)
        return [(int(who.group(1)) if who else -1, at) for who, at in found]


class Webhooks(asyncio.Protocol):
    """HTTP as far as a webhook goes: a head with a content-length, a body."""

    def __init__(self, book: Book) -> None:
        self._book, self._buffer = book, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            stated = re.search(rb"(?i)content-length: *(\d+)", self._buffer[:end])
            size = end + 4 + (int(stated.group(1)) if stated else 0)
            if len(self._buffer) < size:
                return
            self._book.record(self._buffer[end + 4 : size])
            self._buffer = self._buffer[size:]
            self._transport.write(ANSWER)


class Mails(asyncio.Protocol):
    """SMTP as far as one mail after the other goes."""

    def __init__(self, book: Book) -> None:
        self._book, self._buffer, self._whom, self._in_data = book, b"", b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 bench\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            mark = b"\r\n.\r\n" if self._in_data else b"\r\n"
            end = self._buffer.find(mark)
            if end < 0:
                return
            taken, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
            self._transport.write(self._mail() if self._in_data else self._command(taken))

    def _mail(self) -> bytes:
        self._in_data = False
        self._book.record(self._whom)
        return b"250 taken\r\n"

    def _command(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"EHLO":
                return b"250-bench\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
            case b"RCPT":
                self._whom = line
            case b"DATA":
                self._in_data = True
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                pass
        return b"250 ok\r\n"


async def main() -> None:
    """Listen on two free ports, and answer what is asked of the book."""
    book, loop = Book(), asyncio.get_running_loop()
    hooks = await loop.create_server(lambda: Webhooks(book), "127.0.0.1", 0)
    mails = await loop.create_server(lambda: Mails(book), "127.0.0.1", 0)

    async def answer(asked: dict[str, Any]) -> Any:
        match asked["do"]:
            case "ports":
                return {"http": hooks.sockets[0].getsockname()[1], "smtp": mails.sockets[0].getsockname()[1]}
            case "wait":
                return await book.wait(asked["wanted"], asked["seconds"])
            case _:
                return book.told()

    await answer_lines(answer)


if __name__ == "__main__":
    live(main())
