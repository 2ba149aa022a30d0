"""Our links in messages: sealed, so that they name nobody, cannot be guessed, and cannot be bent."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from dangol.errors import Invalid
from dangol.names import delivery_key, is_uuid
from dangol.settings import Settings
from dangol_dispatcher.template import Links

UNSUBSCRIBE, OPEN, CLICK, MAIL = "u", "o", "c", "m"  # what a link is for: one kind cannot be used as another
LONGEST = 600  # characters of a token of ours


@dataclass(frozen=True, slots=True)
class LinkSecret:
    """One key: its short name, found in every token, and what seals."""

    name: bytes
    seal: AESSIV

    @classmethod
    def of(cls, secret: bytes) -> "LinkSecret":
        """From any secret text."""
        return cls(hashlib.sha256(b"name" + secret).digest()[:3], AESSIV(hashlib.sha512(b"seal" + secret).digest()))


class Sealer:
    """Seals with the first secret, opens with any: a link in an old mail works through a change of keys.

    AES-SIV: 128 bits that cannot be guessed, nothing of the content to be seen, and the same link for the same content,
    so that a rendering is the same twice.
    """

    def __init__(self, secrets: Sequence[bytes], public_url: str) -> None:
        self.public_url = public_url.rstrip("/")
        self._secrets = [LinkSecret.of(secret) for secret in secrets]

    def token(self, purpose: str, *fields: str) -> str:
        """The fields, sealed for one purpose."""
        secret = self._secrets[0]
        sealed = secret.seal.encrypt(msgspec.msgpack.encode([_short(text) for text in fields]), [purpose.encode()])
        return urlsafe_b64encode(secret.name + sealed).rstrip(b"=").decode()

    def url(self, purpose: str, *fields: str) -> str:
        """The link with these fields."""
        return f"{self.public_url}/{purpose}/{self.token(purpose, *fields)}"

    def fields(self, purpose: str, token: str) -> list[str]:
        """The fields of a token; always the same `Invalid` for one that is not ours or not for this purpose."""
        try:
            if len(token) > LONGEST or not token.isascii():
                raise ValueError(token)
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if urlsafe_b64encode(sealed).rstrip(b"=").decode() != token:
                raise ValueError(token)  # base64 spells some bytes in several ways; ours is one
            secret = next(one for one in self._secrets if one.name == sealed[:3])
            found: list[str | bytes] = msgspec.msgpack.decode(secret.seal.decrypt(sealed[3:], [purpose.encode()]))
        except (ValueError, StopIteration, InvalidTag, msgspec.MsgspecError) as error:
            raise Invalid("bad_link", "this link is not one of ours, or not whole") from error
        return [str(UUID(bytes=text)) if isinstance(text, bytes) else text for text in found]


def public_url(settings: Settings) -> str:
    """Where people's browsers reach us."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


def unsubscribe_url(sealer: Sealer, workspace: str, profile: str, message: str, channel: str) -> str:
    """Where this person refuses more of what this message is."""
    return sealer.url(UNSUBSCRIBE, workspace, profile, message, channel)


def links_for(sealer: Sealer, workspace: str, profile: str, message: str, channel: str, endpoint: str) -> Links:
    """The links of one message on one channel, for rendering.

    Opens and clicks are counted in mail alone: an app tells us of a push itself, and the links of Kakao's templates
    are approved as they are written.
    """
    unsubscribe = unsubscribe_url(sealer, workspace, profile, message, channel)
    if channel != "email":
        return Links(unsubscribe)
    delivery = delivery_key(message, channel, endpoint)
    pixel = sealer.url(OPEN, workspace, delivery)
    return Links(unsubscribe, pixel, lambda number, _url: sealer.url(CLICK, workspace, delivery, str(number)))


def _short(text: str) -> str | bytes:
    """A UUID as its 16 bytes."""
    return bytes.fromhex(text.replace("-", "")) if is_uuid(text) else text
