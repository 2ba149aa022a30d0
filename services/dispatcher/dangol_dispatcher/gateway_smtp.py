"""SMTP: one mail a delivery over kept connections, and an exact knowledge of when a mail may have been taken."""

import asyncio
import re
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPHeloError, SMTPResponseException

from dangol.errors import Invalid
from dangol_dispatcher.egress import CheckedResolver
from dangol_dispatcher.mail import address, named_address
from dangol_dispatcher.model import Accepted, Ambiguous, Claimed, Later, Outcome, Rejected
from dangol_dispatcher.smtp_replies import outcome_of
from dangol_dispatcher.targets import Refused, Targets

# RFC 5321 4.5.3.2: a shorter wait for the final reply makes duplicates.
FINAL_REPLY = 600.0
CLOSING = 421  # the server ends the connection; of a kept one it says nothing about the mail
COMMANDS = 60.0  # to connect and greet, and for MAIL, RCPT and DATA together
_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where the mail server is. `tls`: `implicit` (smtps), `opportunistic`, `required` or `no`."""

    host: str
    port: int
    tls: str = "opportunistic"
    user: str = ""
    password: str = ""

    @classmethod
    def of(cls, url: str, password: str = "") -> "MailServer":
        """From `smtp://user@host:587?tls=required` or `smtps://host`; raises `Invalid`."""
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise Invalid("bad_url", "a mail server's URL is smtp://host:port or smtps://host:port", where="url")
        implicit = parts.scheme == "smtps"
        tls = "implicit" if implicit else parse_qs(parts.query).get("tls", ["opportunistic"])[0]
        if tls not in ("implicit", "opportunistic", "required", "no"):
            raise Invalid("bad_url", "tls is required, opportunistic or no", where="url")
        return cls(
            parts.hostname, parts.port or (465 if implicit else 587), tls, unquote(parts.username or ""), password
        )


class SmtpGateway:
    """A mail server. It knows no key: a mail whose final reply was lost is ambiguous, and only that one."""

    key_window: timedelta | None = None
    batch = 1

    def __init__(
        self,
        name: str,
        server: MailServer,
        targets: Targets,
        *,
        sender: str = "",
        concurrency: int = 8,
        final_reply: float = FINAL_REPLY,
        commands: float = COMMANDS,
    ) -> None:
        self.name, self.channel, self.concurrency = name, "email", concurrency
        self.deadline = timedelta(seconds=final_reply + 2 * commands)
        self._server, self._targets, self._sender = server, targets, sender
        self._final_reply, self._commands = final_reply, commands
        self._idle: list[aiosmtplib.SMTP] = []
        self._turns = asyncio.Semaphore(concurrency)

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Each on a connection of its own."""
        if len(claimed) == 1:  # as nearly always: without a task of its own
            return [await self._send(claimed[0])]
        return await asyncio.gather(*(self._send(one) for one in claimed))

    async def close(self) -> None:
        """Say goodbye on the kept connections."""
        for client in self._idle:
            with suppress(SMTPException, OSError):
                await client.quit(timeout=2)
            client.close()
        self._idle.clear()

    async def _send(self, one: Claimed) -> Outcome:
        async with self._turns:
            kept = bool(self._idle)
            outcome = await self._try(one, self._idle.pop() if kept else None)
            # A kept connection the server had closed meanwhile says nothing about the mail: once more on a new one.
            return await self._try(one, None) if kept and isinstance(outcome, _Stale) else outcome

    async def _try(self, one: Claimed, client: aiosmtplib.SMTP | None) -> Outcome:
        try:
            async with asyncio.timeout(self._commands):
                client = client or await self._connect()
                with _cut_short(client):
                    refused = await self._offer(client, one)
        except SMTPAuthenticationError as error:
            said = f"{error.code} {error.message}"[:500]
            return self._dropped(client, Rejected(said, credentials=True) if error.code >= 500 else Later(said))
        except SMTPResponseException as error:
            outcome = outcome_of(error.code, error.message)
            if error.code == CLOSING and isinstance(outcome, Later):
                outcome = _Stale(outcome.said, throttled=outcome.throttled)
            return self._dropped(client, outcome)
        except Refused as error:
            return Rejected(f"not called: {error}")
        except (SMTPException, OSError, TimeoutError) as error:
            return self._dropped(client, _Stale(f"not taken: {_said(error)}"))
        with _cut_short(client):
            if refused is not None:
                return await self._after_refusal(client, refused)
            return await self._hand_over(client, one.content.raw)

    async def _offer(self, client: aiosmtplib.SMTP, one: Claimed) -> Outcome | None:
        """MAIL, RCPT, DATA; None when the server waits for the mail. Nothing is taken yet, whatever goes wrong here."""
        sender = named_address(self._sender or str(one.content.parts["from"]))[1]
        to = address(one.content.endpoint)  # as the mail's To says it
        options = [] if sender.isascii() and to.isascii() else [b"SMTPUTF8"]
        encoding = "utf-8" if options else "ascii"
        if options and not client.supports_extension("smtputf8"):
            return Rejected("the mail server takes no addresses beyond ASCII (SMTPUTF8)")
        # not by aiosmtplib's `mail` and `rcpt`, which read an address with `email.utils`: ours were read when they came
        code, text = await client.execute_command(b"MAIL", f"FROM:<{sender}>".encode(encoding), *options)
        if code != 250:
            raise SMTPResponseException(code, text)
        code, text = await client.execute_command(b"RCPT", f"TO:<{to}>".encode(encoding))
        if code not in (250, 251):
            return outcome_of(code, text, recipient=True)
        code, text = await client.execute_command(b"DATA")
        return None if code == 354 else outcome_of(code, text)

    async def _hand_over(self, client: aiosmtplib.SMTP, raw: bytes) -> Outcome:
        """The mail and its final dot: from here on a lost reply is ambiguous."""
        protocol = client.protocol
        assert protocol is not None
        ending = b".\r\n" if raw.endswith(b"\r\n") else b"\r\n.\r\n"
        try:
            protocol.write(_DOT.sub(b"..", raw) + ending)
            code, text = await protocol.read_response(timeout=self._final_reply)
        except (SMTPException, OSError, TimeoutError) as error:
            return self._dropped(client, Ambiguous(f"no final reply: {_said(error)}"))
        if code != 250:
            return await self._after_refusal(client, outcome_of(code, text))
        self._idle.append(client)
        return Accepted(_queue_id(text), f"{code} {text}"[:500])

    async def _after_refusal(self, client: aiosmtplib.SMTP, outcome: Outcome) -> Outcome:
        """The connection is kept for the next mail, unless the server said it is closing (421)."""
        if isinstance(outcome, Later | Rejected) and outcome.said.startswith("421"):
            return self._dropped(client, outcome)
        try:
            await client.rset(timeout=5)
            self._idle.append(client)
        except (SMTPException, OSError, TimeoutError):
            client.close()
        return outcome

    def _dropped(self, client: aiosmtplib.SMTP | None, outcome: Outcome) -> Outcome:
        if client is not None:
            client.close()
        return outcome

    async def _connect(self) -> aiosmtplib.SMTP:
        server = self._server
        start = {"opportunistic": None, "required": True}.get(server.tls, False)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=await self._socket(),
            use_tls=server.tls == "implicit",
            start_tls=start,
            username=server.user or None,
            password=server.password or None,
            local_hostname=socket.gethostname().encode("ascii", "replace").decode() or "localhost",
            timeout=self._commands,
        )
        await client.connect()
        try:
            await _greet(client)
        except BaseException:
            client.close()
            raise
        return client

    async def _socket(self) -> socket.socket:
        """A socket to a checked address; the name stays for TLS."""
        found = await CheckedResolver(self._targets).resolve(self._server.host, self._server.port)
        trouble: OSError = Refused(f"{self._server.host} has no address we call")
        for one in found:
            opened = socket.socket(one["family"], socket.SOCK_STREAM)
            opened.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(opened, (one["host"], one["port"]))
            except OSError as error:
                opened.close()
                trouble = error
            except asyncio.CancelledError:
                opened.close()
                raise
            else:
                return opened
        raise trouble


class _Stale(Later, frozen=True):
    """Surely not taken, and perhaps only because the connection was an old one."""


@contextmanager
def _cut_short(client: aiosmtplib.SMTP) -> Generator[None]:
    """A delivery whose time is over sends no more: what is still buffered is thrown away with the connection."""
    try:
        yield
    except asyncio.CancelledError:
        if client.transport is not None:
            cast(asyncio.WriteTransport, client.transport).abort()
        client.close()
        raise


async def _greet(client: aiosmtplib.SMTP) -> None:
    """EHLO, or HELO to a server that knows no better: `connect` says none without TLS, nor again after STARTTLS."""
    if not client.is_ehlo_or_helo_needed:
        return
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _queue_id(text: str) -> str:
    found = re.search(r"queued as (\S+)|\bid=(\S+)", text)
    return next((group for group in found.groups() if group), "") if found else ""
