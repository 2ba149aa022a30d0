"""Payload ⇄ bytes: JSON, one decoder a topic, versioned by `v`."""

import msgspec

from dangol.decisions import Decision
from dangol.errors import Invalid
from dangol.events import Event
from dangol.messages import Spoken
from dangol.topics import Topic

Payload = Event | Spoken | Decision

_encoder = msgspec.json.Encoder()
_events = msgspec.json.Decoder(Event)
_spoken: msgspec.json.Decoder[Spoken] = msgspec.json.Decoder(Spoken)
_decisions = msgspec.json.Decoder(Decision)


def encode(payload: Payload) -> bytes:
    """The bytes of a payload, as every topic carries them."""
    return _encoder.encode(payload)


def decode_event(value: bytes) -> Event:
    """An event from its bytes; raises `Invalid` for what is none."""
    try:
        return _events.decode(value)
    except msgspec.DecodeError as error:
        raise Invalid("bad_record", f"not an event: {error}", where=Topic.EVENTS) from error


def decode_spoken(value: bytes) -> Spoken:
    """Facts, a message or a cancel from its bytes; raises `Invalid` for what is none."""
    try:
        return _spoken.decode(value)
    except msgspec.DecodeError as error:
        raise Invalid("bad_record", f"not a message: {error}", where=Topic.MESSAGES) from error


def decode_decision(value: bytes) -> Decision:
    """A decision from its bytes; raises `Invalid` for what is none."""
    try:
        return _decisions.decode(value)
    except msgspec.DecodeError as error:
        raise Invalid("bad_record", f"not a decision: {error}", where=Topic.DECISIONS) from error
