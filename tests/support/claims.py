"""Claimed deliveries with defaults, as gateways are handed them."""

from datetime import UTC, datetime
from typing import Any

from dangol.names import delivery_key
from dangol_dispatcher.mail import Mail, build
from dangol_dispatcher.model import Claimed, Content, Mode

AT = datetime(2026, 3, 4, 3, tzinfo=UTC)


def a_claim(content: Content, message: str = "m1", **given: Any) -> Claimed:
    """A first try of a delivery to person p1."""
    defaults: dict[str, Any] = {
        "delivery": delivery_key(message, content.channel, content.endpoint),
        "message": message,
        "workspace": "default",
        "profile": "p1",
        "gateway": "gate",
        "content": content,
        "attempt": 1,
        "fence": 1,
        "lease_until": AT,
        "first_claimed_at": AT,
        "mode": Mode.AT_MOST_ONCE,
    }
    return Claimed(**(defaults | given))


def a_mail(to: str = "a@example.test", text: str = "hi\n.hidden dot\n", **given: Any) -> Content:
    """A mail, rendered."""
    sender = "Shop <shop@example.test>"
    raw = build(Mail(delivery="d1", to=to, sender=sender, subject="hi", text=text, **given), AT)
    return Content("email", to, {"subject": "hi", "text": text, "from": sender, "to": to}, raw)


def a_hook(body: bytes = b'{"user":"u1"}') -> Content:
    """A webhook's JSON, rendered."""
    return Content("webhook", "hook", {"body": body.decode()}, body)
