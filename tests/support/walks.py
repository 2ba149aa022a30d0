"""Two journeys every test of the machine may walk, and how to read what came of it."""

from dangol.decisions import Verdict
from dangol.messages import Message
from dangol_journey.model import Advanced
from tests.support.journeys import DAY, HOUR, after, coupon, goal, journey, opened, send, until, wait

WELCOME = journey(
    "welcome",
    "Signed Up",
    coupon("gift", "welcome"),
    send("welcome", None, within=HOUR, otherwise="welcome-plain"),
    send("welcome-plain"),
    goal=goal("Order Completed", value="event.revenue"),
)
CART = journey(
    "cart-recovery",
    "Product Added",
    wait("quiet-cart", after(24 * HOUR, "gift", since_latest=True)),
    coupon("gift", "mail"),
    send("mail", "unopened", within=6 * HOUR),
    wait("unopened", opened("mail", "last-call"), after(12 * HOUR, "short")),
    send("short", "last-call"),
    wait("last-call", until("gift.expires_at", "expiring", shift=-6 * HOUR)),
    send("expiring"),
    where="event.cart_value >= 30000",
    key="event.cart_id",
    again=7 * DAY,
    exits=[("Order Completed", "event.cart_id == entry.cart_id", "bought")],
    goal=goal("Order Completed", 5 * DAY),
)


def messages(told: Advanced | list[Advanced]) -> list[Message]:
    """What was asked to be said."""
    advanced = told if isinstance(told, list) else [told]
    return [one for out in advanced for one in out.spoken if isinstance(one, Message)]


def templates(told: Advanced | list[Advanced]) -> list[str]:
    return [message.template for message in messages(told)]


def reasons(told: Advanced) -> dict[str, str]:
    """Each journey's answer to the last input."""
    return {entry.journey: entry.reason for decision in told.decisions for entry in decision.entries}


def verdicts(told: Advanced) -> list[Verdict]:
    return [decision.verdict for decision in told.decisions]
