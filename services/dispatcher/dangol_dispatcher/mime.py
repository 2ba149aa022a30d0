"""A mail's headers and bodies as bytes, as the standard library writes them, which is asked only where it matters.

Its `EmailMessage` reads every header as a grammar and folds it again: 1.4 ms a mail, nearly all of it for lines that
come out as they went in. What is plain is written here at once; a test holds both to the same bytes.
"""

import re
from binascii import b2a_base64
from collections.abc import Sequence
from email import quoprimime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, EmailPolicy
from functools import lru_cache

_WIDTH = 78  # of a line, where it can be broken
_LONGEST = 998  # of any line
_PLAIN = re.compile(r"[\x21-\x7e]+( [\x21-\x7e]+)*")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def header(name: str, value: str, *, utf8: bool = False) -> bytes:
    """One header, folded, in RFC 2047's words where it must be; raises what the standard library does."""
    line = f"{name}: {value}"
    if len(line) <= _WIDTH and _PLAIN.fullmatch(value) and "=?" not in value:
        return line.encode() + b"\r\n"
    return _folded(name, value, utf8)


def mailbox(name: str, display: str, address: str, *, utf8: bool = False) -> bytes:
    """A header with one address, and the name shown for it."""
    line = f"{name}: {address}"
    if not display and len(line) <= _WIDTH and _PLAIN_ADDRESS.fullmatch(address):
        return line.encode() + b"\r\n"
    return _folded_mailbox(name, display, address, utf8)


def link(name: str, url: str) -> bytes:
    """A header with a link of ours. Never folded or put in RFC 2047's words: who reads it does not expect them."""
    line = f"{name}: <{url}>".encode("ascii")
    if len(line) > _LONGEST:
        raise ValueError(f"the header {name} is too long")
    return line + b"\r\n"


def text_part(text: str, subtype: str, encoding: str | None) -> tuple[bytes, bytes]:
    """A text's own headers, and its body; `encoding`: base64, quoted-printable, or None for whatever is best."""
    lines = text.encode().splitlines()
    chosen, body = _encoded(lines, encoding)
    headers = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {chosen}\r\n'
    return headers.encode(), body


def alternatives(boundary: str, parts: Sequence[bytes]) -> bytes:
    """The headers and bodies of a mail that says the same in several ways, each part with headers of its own."""
    edge = f"--{boundary}".encode()
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(b"%b\r\n%b\r\n" % (edge, part) for part in parts) + edge + b"--\r\n"


def _encoded(lines: Sequence[bytes], encoding: str | None) -> tuple[str, bytes]:
    body = b"".join([line + b"\r\n" for line in lines])
    if encoding is None and max(map(len, lines), default=0) <= _WIDTH:
        return "7bit", body
    if encoding is None:
        encoding = _shorter(lines)
    if encoding == "base64":
        letters = b2a_base64(body, newline=False)
        return encoding, b"".join([letters[at : at + 76] + b"\r\n" for at in range(0, len(letters), 76)])
    return encoding, _quoted(lines)


def _shorter(lines: Sequence[bytes]) -> str:
    """Which encoding says the beginning in fewer bytes, as the standard library chooses."""
    start = b"\r\n".join(lines[:10]) + b"\r\n"
    quoted = quoprimime.body_encode(start.decode("latin-1"), _WIDTH)
    return "base64" if len(quoted) > len(b2a_base64(start)) else "quoted-printable"


def _quoted(lines: Sequence[bytes]) -> bytes:
    text = "".join([line.decode("latin-1") + "\n" for line in lines])
    return quoprimime.body_encode(text, _WIDTH).replace("\n", "\r\n").encode("ascii")


@lru_cache(maxsize=1024)
def _folded(name: str, value: str, utf8: bool) -> bytes:
    policy = _policy(utf8)
    return policy.fold_binary(*policy.header_store_parse(name, value))


@lru_cache(maxsize=256)
def _folded_mailbox(name: str, display: str, address: str, utf8: bool) -> bytes:
    local, _, domain = address.rpartition("@")
    policy = _policy(utf8)
    made = Address(display_name=display, username=local, domain=domain)
    return policy.fold_binary(name, policy.header_factory(name, made))


def _policy(utf8: bool) -> "EmailPolicy[EmailMessage]":
    return SMTPUTF8 if utf8 else SMTP
