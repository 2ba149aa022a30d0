"""A mail server that says what it is told to: to refuse, to hang, to lose its reply."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CLOSE, HANG = "close", "hang"


@dataclass
class Script:
    """The reply to each verb (`DOT` for the mail's end), `close` or `hang`; 250 where nothing is said."""

    replies: dict[str, str] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)  # said the next time only
    port: int = 0
    connections: int = 0
    taken: list[bytes] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # a client closed on a server that hangs

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"smtp://127.0.0.1:{self.port}"


@asynccontextmanager
async def scripted_server(**replies: str) -> AsyncIterator[Script]:
    """A server on a free port of loopback."""
    script = Script(replies)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script.connections += 1
        try:
            await _talk(script, reader, writer, over)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def _talk(
    script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: asyncio.Event
) -> None:
    if not await _say(script, script.replies.get("GREETING", "220 ready"), reader, writer, over):
        return
    greeted = False
    while line := await reader.readline():
        verb = line.split()[0].decode().upper() if line.split() else ""
        script.verbs.append(verb)
        script.lines.append(line)
        usual = {"DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 ok")
        reply = script.once.pop(verb, None) or script.replies.get(verb, usual)
        greeted = greeted or (verb in ("EHLO", "HELO") and reply.startswith("250"))
        if verb == "MAIL" and not greeted:
            reply = "503 5.5.1 send EHLO first"
        if not await _say(script, reply, reader, writer, over):
            return
        if verb == "DATA" and reply.startswith("354"):
            mail = await reader.readuntil(b"\r\n.\r\n")
            script.taken.append(mail)
            if not await _say(script, script.replies.get("DOT", "250 2.0.0 ok: queued as Q1"), reader, writer, over):
                return


async def _say(
    script: Script, reply: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: asyncio.Event
) -> bool:
    if reply == HANG:
        await _hang(script, reader, over)
        return False
    if reply == CLOSE:
        return False
    writer.write(f"{reply}\r\n".encode())
    await writer.drain()
    return True


async def _hang(script: Script, reader: asyncio.StreamReader, over: asyncio.Event) -> None:
    """Until the test is over or the client has closed."""
    ends = [asyncio.ensure_future(reader.read()), asyncio.ensure_future(over.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if ends[0].done():
        script.left.set()
    for end in ends:
        end.cancel()
    await asyncio.gather(*ends, return_exceptions=True)
