"""A mail as bytes: its headers refused where they would smuggle, its name the same in every retry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError, MessageError
from email.utils import format_datetime
from functools import lru_cache

import idna

from dangol.errors import Invalid
from dangol_dispatcher import mime

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]")
_ATOM = re.compile(r"^[^\s@()<>,;:\\\"\[\]]+$")
_NAMED = re.compile(r"^\s*(?:\"?([^\"<>]*?)\"?\s*)<([^<>]+)>\s*$")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# Headers a template may not set: they say where a mail goes or what it is.
OWN_HEADERS = frozenset({"to", "from", "cc", "bcc", "sender", "subject", "date", "reply-to", "received", "return-path"})
OWN_FAMILIES = ("content-", "list-unsubscribe", "message-id", "mime-", "resent-", "dkim-", "arc-")


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says and to whom. `sender` and `reply_to` may carry a name: `단골 <hello@shop.example>`."""

    delivery: str
    to: str
    sender: str
    subject: str
    text: str
    html: str = ""
    reply_to: str = ""
    unsubscribe: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def address(text: str) -> str:
    """A mail address as we store and send it: the domain in its ASCII form; raises `Invalid` for what is none.

    The one place that says what an address is: no control characters, no quoted or overlong local part, a domain.
    """
    if _CONTROL.search(text) or len(text.encode("utf-8", "replace")) > 254:
        raise Invalid("bad_address", "not a mail address")
    local, at, domain = text.strip().rpartition("@")
    if (
        not at
        or not _ATOM.match(local)
        or len(local.encode()) > 64
        or ".." in local
        or local[0] == "."
        or local[-1] == "."
    ):
        raise Invalid("bad_address", f"not a mail address: {text[:60]!r}")
    try:
        ascii_domain = domain.lower() if _is_plain(domain) else idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise Invalid("bad_address", f"not a domain: {domain[:60]!r}") from error
    return f"{local}@{ascii_domain}"


@lru_cache(maxsize=256)  # senders, again and again
def named_address(text: str) -> tuple[str, str]:
    """`단골 <hello@shop.example>` as (name, address); the name may be empty."""
    if _CONTROL.search(text):
        raise Invalid("bad_address", "a control character in an address")
    if found := _NAMED.match(text):
        return found[1].strip(), address(found[2])
    return "", address(text)


def build(mail: Mail, at: datetime) -> bytes:
    """The mail's bytes: the same for the same mail and moment. Raises `Invalid` for a header that smuggles another."""
    _refuse_smuggling(mail)
    name, sender = named_address(mail.sender)
    utf8 = not _ascii_locals(mail)
    try:
        lines = [
            mime.header("Subject", mail.subject, utf8=utf8),
            mime.mailbox("From", name, sender, utf8=utf8),
            mime.mailbox("To", "", address(mail.to), utf8=utf8),
        ]
        if mail.reply_to:
            lines.append(mime.mailbox("Reply-To", *named_address(mail.reply_to), utf8=utf8))
        lines.append(mime.header("Date", format_datetime(at)))
        lines.append(mime.header("Message-ID", f"<{mail.delivery}@{sender.rpartition('@')[2]}>", utf8=utf8))
        if mail.unsubscribe:
            lines.append(mime.link("List-Unsubscribe", mail.unsubscribe))
            lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
        lines += [mime.header(key, value, utf8=utf8) for key, value in mail.headers.items()]
        return b"".join(lines) + _bodies(mail)
    except (MessageError, HeaderParseError, ValueError, UnicodeError) as error:
        raise Invalid("bad_mail", f"the mail cannot be written: {error}") from error


def _bodies(mail: Mail) -> bytes:
    headers, text = mime.text_part(mail.text or " ", "plain", None if mail.text.isascii() else "base64")
    if not mail.html:
        return b"%bMIME-Version: 1.0\r\n\r\n%b" % (headers, text)
    encoding = "quoted-printable" if mail.html.isascii() else "base64"
    of_html, html = mime.text_part(mail.html, "html", encoding)
    boundary = f"=_{mail.delivery}"  # a random one would make a retry another mail
    return mime.alternatives(
        boundary, [b"%b\r\n%b" % (headers, text), b"%bMIME-Version: 1.0\r\n\r\n%b" % (of_html, html)]
    )


def _refuse_smuggling(mail: Mail) -> None:
    for what, text in (("subject", mail.subject), ("from", mail.sender), ("to", mail.to), ("reply_to", mail.reply_to)):
        if _CONTROL.search(text):
            raise Invalid("bad_header", f"a line break or control character in the mail's {what}", where=what)
    for key, value in mail.headers.items():
        if not _HEADER_NAME.fullmatch(key) or key.lower() in OWN_HEADERS or key.lower().startswith(OWN_FAMILIES):
            raise Invalid("bad_header", f"a template may not set the header {key[:60]!r}", where=key[:60])
        if _CONTROL.search(value):
            raise Invalid("bad_header", f"a line break or control character in the header {key}", where=key)


def _ascii_locals(mail: Mail) -> bool:
    return all(text.rpartition("@")[0].rpartition("<")[2].isascii() for text in (mail.to, mail.sender, mail.reply_to))


def _is_plain(domain: str) -> bool:
    """Whether a domain is written in ASCII already and could exist (localhost counts: a mail server of one's own)."""
    labels = domain.split(".")
    return len(domain) <= 253 and all(
        re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", label) for label in labels
    )
