"""Where messages arrive in tests: a real SMTP server, a webhook receiver that verifies with the official library."""

import threading
from asyncio import Server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.server import free_port


@dataclass
class Mailbox:
    """What an SMTP server took, parsed; `url` is where it listens."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's hook for a whole mail."""
        parsed = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return "250 taken"

    def to(self, address: str) -> list[EmailMessage]:
        """The mails to one address, in the order they came."""
        return [mail for mail in self.mails if address in str(mail["To"])]


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    """A real SMTP server on a free port."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    assert isinstance(controller.server, Server)
    mailbox.url = f"smtp://127.0.0.1:{controller.server.sockets[0].getsockname()[1]}"
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass
class Hooks:
    """What a webhook receiver verified, and how many calls it refused."""

    url: str = ""
    secret: str = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    verified: list[tuple[str, Any]] = field(default_factory=list)  # (webhook-id, payload)
    refused: int = 0

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """The status for a call: 204, or 401 for what does not verify."""
        try:
            payload = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            self.refused += 1
            return 401
        self.verified.append((headers["webhook-id"], payload))
        return 204


@contextmanager
def webhook_receiver() -> Iterator[Hooks]:
    """A receiver on a free port."""
    hooks = Hooks()

    class Receiver(BaseHTTPRequestHandler):
        """Verifies each call."""

        def do_POST(self) -> None:
            """One call."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(hooks.take(body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        hooks.url = f"http://127.0.0.1:{server.server_address[1]}/in"
        try:
            yield hooks
        finally:
            server.shutdown()
            thread.join(5)
