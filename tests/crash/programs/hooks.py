"""A program that takes webhooks and writes each down before it answers, in a ledger that outlives whoever called."""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import TextIO

TAKES = 0.02  # seconds a call: so that kills meet calls that are out
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"webhook-id: *(\S+)", re.IGNORECASE)


class Receiver(asyncio.Protocol):
    """One connection: HTTP/1.1, kept open. No server of a library: it shall cost next to nothing beside the product."""

    def __init__(self, written: TextIO) -> None:
        self._written, self._given = written, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody calls."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take every call that is whole."""
        self._given += data
        while True:
            head, found, rest = self._given.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not found or not length or len(rest) < int(length[1]):
                return
            self._given = rest[int(length[1]) :]
            self._take(head, rest[: int(length[1])])

    def _take(self, head: bytes, body: bytes) -> None:
        key = _KEY.search(head)
        assert key
        said = {"key": key[1].decode(), "at": time.time(), **json.loads(body)}
        self._written.write(json.dumps(said) + "\n")
        asyncio.get_running_loop().call_later(TAKES, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def serve(port: int, ledger: Path) -> None:
    """Take calls until killed."""
    with ledger.open("a", buffering=1) as written:
        server = await asyncio.get_running_loop().create_server(
            lambda: Receiver(written), "127.0.0.1", port, backlog=256
        )
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
