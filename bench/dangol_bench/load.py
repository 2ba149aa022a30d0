"""The load: a process that posts prebuilt requests over kept connections, as fast as they are answered or at a pace."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from dangol_bench.talk import answer_lines, live

SLOT = b"@@@@@@@@@@@@"  # where a request's number goes: twelve digits
LONGEST = 120.0  # seconds one question may take


@dataclass(slots=True)
class Requests:
    """What to post: a template, and the number of the next."""

    template: bytes
    next: int
    last: int | None  # of a limited number
    until: float | None  # by the loop's clock
    sent_at: list[int] = field(default_factory=list)  # nanoseconds of CLOCK_REALTIME, in the order of the numbers
    took: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def take(self) -> bytes | None:
        """The next request, if there is one to be posted still."""
        if self.last is not None and self.next > self.last:
            return None
        if self.until is not None and time.monotonic() > self.until:
            return None
        number, self.next = self.next, self.next + 1
        return self.template.replace(SLOT, b"%012d" % number)

    def answered(self, began: int, head: bytes) -> None:
        """One was; `head` is how the answer begins."""
        self.took.append(time.time_ns() - began)
        if head[9:12] != b"200" and len(self.refused) < 5:
            self.refused.append(head[:300].decode(errors="replace"))


class Connection(asyncio.Protocol):
    """One kept connection with one request in the air at most. In a closed loop the answer sends the next."""

    def __init__(self, requests: Requests, closed_loop: bool, done: Callable[[], None]) -> None:
        self._requests, self._closed_loop, self._done = requests, closed_loop, done
        self._began, self._buffer = 0, b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def post(self) -> bool:
        """Post the next; False when there is none."""
        request = self._requests.take()
        if request is None:
            return False
        self.busy, self._began = True, time.time_ns()
        self._requests.sent_at.append(self._began)
        self._transport.write(request)
        return True

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or len(self._buffer) < end + 4 + _length(self._buffer, end):
            return
        self._requests.answered(self._began, self._buffer)
        self._buffer, self.busy = b"", False
        if not (self._closed_loop and self.post()):
            self._done()

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self._requests.refused.append(f"connection lost: {error}")
            self._done()

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


def _length(answer: bytes, end: int) -> int:
    at = answer.find(b"content-length: ", 0, end)
    return int(answer[at + 16 : answer.find(b"\r\n", at)]) if at >= 0 else 0


def request(path: str, key: str, body: str) -> bytes:
    """A request whose body has the slot in it."""
    credentials = base64.b64encode(f"{key}:".encode()).decode()
    content = body.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def closed(asked: dict[str, Any]) -> Any:
    """Over so many connections, each posting when it was answered: for so many seconds, or so many requests."""
    requests = _requests(asked)
    connections, left = asked["connections"], asyncio.Event()
    open_now = connections

    def done() -> None:
        nonlocal open_now
        open_now -= 1
        if not open_now:
            left.set()

    opened = await _open(requests, asked["port"], connections, True, done)
    if asked.get("seconds"):
        requests.until = time.monotonic() + asked["seconds"]
    began = time.time_ns()
    for one in opened:
        if not one.post():
            done()
    async with asyncio.timeout(LONGEST):
        await left.wait()
    ended = time.time_ns()
    for one in opened:
        one.close()
    return _told(requests, began, ended)


async def paced(asked: dict[str, Any]) -> Any:
    """So many requests at a pace: each posted at its moment, whether or not those before it were answered."""
    requests = _requests(asked)
    opened = await _open(requests, asked["port"], asked["connections"], False, lambda: None)
    loop, gap = asyncio.get_running_loop(), 1 / asked["rate"]
    began_at, began = loop.time(), time.time_ns()
    for number in range(asked["requests"]):
        await asyncio.sleep(max(0.0, began_at + number * gap - loop.time()))
        free = next((one for one in opened if not one.busy), None)
        if free is None:
            requests.refused.append("every connection waits for an answer")
            break
        free.post()
    async with asyncio.timeout(LONGEST):
        while any(one.busy for one in opened):  # noqa: ASYNC110 - asked a few times, once all are posted
            await asyncio.sleep(0.005)
    for one in opened:
        one.close()
    return _told(requests, began, time.time_ns())


def _requests(asked: dict[str, Any]) -> Requests:
    first, count = asked["first"], asked.get("requests")
    template = request(asked["path"], asked["key"], asked["body"])
    return Requests(template, first, first + count - 1 if count else None, None)


async def _open(
    requests: Requests, port: int, number: int, closed_loop: bool, done: Callable[[], None]
) -> list[Connection]:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(requests, closed_loop, done), "127.0.0.1", port)
        for _ in range(number)
    ]
    return [connection for _, connection in opened]


def _told(requests: Requests, began: int, ended: int) -> dict[str, Any]:
    return {
        "answered": len(requests.took) - len(requests.refused),
        "refused": requests.refused,
        "next": requests.next,
        "began": began,
        "ended": ended,
        "sent_at": requests.sent_at,
        "took": sorted(requests.took),
    }


async def _answer(asked: dict[str, Any]) -> Any:
    return await (closed if asked.pop("do") == "closed" else paced)(asked)


if __name__ == "__main__":
    live(answer_lines(_answer))
