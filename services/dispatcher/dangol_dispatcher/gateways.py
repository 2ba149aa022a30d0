"""Gateways, opened from their documents, secrets by reference; in one process a channel without one has the inbox."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from dangol.documents import Document
from dangol.errors import Invalid
from dangol.local import is_loopback
from dangol.service import House
from dangol_dispatcher.credentials import secrets_of
from dangol_dispatcher.egress import Egress
from dangol_dispatcher.gateway_inbox import InboxGateway
from dangol_dispatcher.gateway_smtp import MailServer, SmtpGateway
from dangol_dispatcher.gateway_webhook import WebhookGateway
from dangol_dispatcher.model import Claimed, Gateway, Later, Outcome
from dangol_dispatcher.targets import Targets

INBOX = "inbox"  # the gateway of every channel without one, in one process


def open_gateways(documents: Sequence[Document], house: House) -> dict[str, Gateway]:
    """The gateways of one workspace, by name. In one process there is `inbox` too, for every channel without one.

    A gateway whose secret is not there is opened too, and says so with each delivery: the others go on.
    """
    opened: dict[str, Gateway] = {}
    for document in documents:
        inbox = InboxGateway(document.name, str(document.body.get("channel")), house.db, house.clock)
        opened[document.name] = Diverted(_open(document, house), inbox, house.inbox_only)
    if house.embedded and INBOX not in opened:
        opened[INBOX] = InboxGateway(INBOX, "", house.db, house.clock)
    return opened


def targets_of(house: House) -> Targets:
    """What may be called: loopback only where we ourselves, in one process, listen on loopback alone."""
    return Targets.of(house.settings.allow_private_targets, house.embedded and is_loopback(house.settings.host))


class Diverted:
    """A gateway that is the inbox while `inbox_only` says so: nothing leaves while the clock is being moved."""

    def __init__(self, gateway: Gateway, inbox: InboxGateway, inbox_only: Callable[[], bool]) -> None:
        self.name, self.channel = gateway.name, gateway.channel
        self.key_window: timedelta | None = gateway.key_window
        self.batch, self.concurrency, self.deadline = gateway.batch, gateway.concurrency, gateway.deadline
        self._gateway, self._inbox, self._inbox_only = gateway, inbox, inbox_only

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """By the gateway, or into the inbox."""
        chosen: Gateway = self._inbox if self._inbox_only() else self._gateway
        return await chosen.send_many(claimed)

    async def close(self) -> None:
        """Release the connections."""
        await self._gateway.close()


class Unopened:
    """A gateway that could not be opened: it takes nothing, and says why."""

    key_window: timedelta | None = None
    batch = 100
    concurrency = 1
    deadline = timedelta(seconds=10)

    def __init__(self, name: str, channel: str, why: str) -> None:
        self.name, self.channel, self.why = name, channel, why

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """Later, all of them: nothing left this machine."""
        return [Later(self.why, timedelta(minutes=1), throttled=True) for _ in claimed]

    async def close(self) -> None:
        """Nothing is held."""


def _open(document: Document, house: House) -> Gateway:
    name, body = document.name, document.body
    channel, kind = str(body.get("channel")), str(body.get("kind"))
    try:
        if kind == "smtp":
            return _smtp(name, body, house)
        if kind == "webhook":
            return _webhook(name, channel, body, house)
        if kind == "inbox":
            return InboxGateway(name, channel, house.db, house.clock)
    except Invalid as error:
        return Unopened(name, channel, error.message)
    return Unopened(name, channel, f"no gateway is of the kind {kind}")


def _smtp(name: str, body: Mapping[str, object], house: House) -> Gateway:
    password = next(iter(secrets_of(body.get("password"), f"{name}.password")), "")
    server = MailServer.of(str(body.get("url")), password)
    return SmtpGateway(name, server, targets_of(house), concurrency=_connections(body, 16))


def _webhook(name: str, channel: str, body: Mapping[str, object], house: House) -> Gateway:
    connections, secrets = _connections(body, 64), secrets_of(body.get("secret"), f"{name}.secret")
    given = body.get("headers")
    return WebhookGateway(
        name,
        channel,
        str(body.get("url")),
        Egress(targets_of(house), connections=connections, proxy=house.settings.egress_proxy or None),
        secrets=secrets,
        headers={str(key): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {},
        concurrency=connections,
    )


def _connections(body: Mapping[str, object], otherwise: int) -> int:
    asked = body.get("connections")
    return asked if isinstance(asked, int) and 1 <= asked <= 256 else otherwise
