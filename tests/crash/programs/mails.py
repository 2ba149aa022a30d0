"""A program that takes mails and writes down each before it answers for it, in a ledger that outlives who sent it."""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import TextIO

TAKES = 0.02  # seconds a mail between its last dot and the reply: so that kills meet mails nobody knows the fate of
_SUBJECT = re.compile(rb"^Subject: (\S+) of (\S+) after (\d+)\r$", re.MULTILINE)
_KEY = re.compile(rb"^Message-ID: *<([^>]+)>\r$", re.MULTILINE | re.IGNORECASE)


async def serve(port: int, ledger: Path) -> None:
    """Take mails until killed."""
    with ledger.open("a", buffering=1) as written:

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _talk(reader, writer, written)
            except (OSError, asyncio.IncompleteReadError):  # who sent it was killed
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(one, "127.0.0.1", port, backlog=256)
        await server.serve_forever()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, written: TextIO) -> None:
    writer.write(b"220 mails\r\n")
    while True:
        verb = (await reader.readuntil(b"\r\n"))[:4].upper()
        if verb == b"DATA":
            writer.write(b"354 go on\r\n")
            _note(await reader.readuntil(b"\r\n.\r\n"), written)
            await asyncio.sleep(TAKES)
        writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
        if verb == b"QUIT":
            return


def _note(mail: bytes, written: TextIO) -> None:
    subject, key = _SUBJECT.search(mail), _KEY.search(mail)
    assert subject
    said = {
        "step": subject[1].decode(),
        "user": subject[2].decode(),
        "seen": subject[3].decode(),
        "key": key[1].decode() if key else "",
    }
    written.write(json.dumps(said | {"at": time.time()}) + "\n")


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
