"""The words all services speak: what a person did, what we say, what we decided and why."""

from dangol.codec import Payload, decode_decision, decode_event, decode_spoken, encode
from dangol.decisions import Decision, Entry, Reason, Verdict
from dangol.errors import DangolError, Forbidden, Invalid, Lost, NotFound, TooLarge, Unauthorized, Unavailable
from dangol.events import ConsentEvent, Event, Fate, Kind, Origin, key_of, person_key
from dangol.messages import Address, Cancel, Channel, ConsentStatement, CouponIssue, Facts, Message, Spoken
from dangol.names import delivery_key, message_id, named
from dangol.topics import Topic

__all__ = [
    "Address",
    "Cancel",
    "Channel",
    "ConsentEvent",
    "ConsentStatement",
    "CouponIssue",
    "DangolError",
    "Decision",
    "Entry",
    "Event",
    "Facts",
    "Fate",
    "Forbidden",
    "Invalid",
    "Kind",
    "Lost",
    "Message",
    "NotFound",
    "Origin",
    "Payload",
    "Reason",
    "Spoken",
    "TooLarge",
    "Topic",
    "Unauthorized",
    "Unavailable",
    "Verdict",
    "decode_decision",
    "decode_event",
    "decode_spoken",
    "delivery_key",
    "encode",
    "key_of",
    "message_id",
    "named",
    "person_key",
]
