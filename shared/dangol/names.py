"""Ids that are derived, so that a replay is recognised: uuid5 under one namespace each."""

from uuid import NAMESPACE_URL, UUID, uuid5

ROOT = uuid5(NAMESPACE_URL, "https://dangol.dev/names")


def named(*parts: str | int) -> str:
    """The id that these parts name together; the same parts, the same id."""
    return str(uuid5(ROOT, "\x1f".join(str(part) for part in parts)))


def message_id(enrolment: str, step: str, visit: int) -> str:
    """A message's id: of its step's entering, hence the same in every replay."""
    return named("message", enrolment, step, visit)


def delivery_key(message: str, channel: str, endpoint: str) -> str:
    """The idempotency key a gateway is given: the same for every retry of one message to one endpoint."""
    return named("delivery", message, channel, endpoint)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its canonical form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
