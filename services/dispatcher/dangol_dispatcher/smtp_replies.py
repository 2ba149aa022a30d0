"""What a mail server's reply means for a delivery. Pure."""

import re

from dangol_dispatcher.model import Later, Outcome, Rejected

# RFC 3463: no such mailbox or domain, moved, disabled. A policy (5.7.x) is no reason to give an address up.
DEAD_MAILBOX = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
AUTH_REFUSED = frozenset({530, 534, 535, 538})
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_UNKNOWN_USER = re.compile(
    r"(user|mailbox|recipient|address|account)\b.*\b(unknown|unavailable|not found|not exist|no such|invalid|disabled)"
    r"|(unknown|no such|invalid)\b.*\b(user|mailbox|recipient|address|account)",
    re.IGNORECASE,
)


def outcome_of(code: int, text: str, *, recipient: bool = False) -> Outcome:
    """The outcome of a refusing reply; `recipient`: it answered RCPT. 4xx comes again later, 5xx never."""
    said = f"{code} {text}"[:500]
    if code < 500:
        return Later(said, throttled=code in (421, 450, 451, 452) and "4.7." in text)
    if code in AUTH_REFUSED:
        return Rejected(said, credentials=True)
    return Rejected(said, suppress=is_dead_mailbox(code, text, recipient))


def is_dead_mailbox(code: int, text: str, recipient: bool) -> bool:
    """Whether the reply says that nobody is there, now or later."""
    if found := _ENHANCED.search(text):
        return found[1] in DEAD_MAILBOX
    return recipient and code in (550, 551) and bool(_UNKNOWN_USER.search(text))
