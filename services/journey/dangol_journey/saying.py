"""What deciding said, as payloads on their way to the log."""

from collections.abc import Iterable, Sequence
from typing import assert_never

from dangol.codec import encode
from dangol.decisions import Decision
from dangol.events import Event, key_of
from dangol.messages import Cancel, Facts, Message, Spoken
from dangol.names import named
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_journey.model import Advanced


def outgoing_of(advanced: Sequence[Advanced], decisions: Iterable[Decision]) -> list[Outgoing]:
    """Everything said, each person's in the order it was decided; `decisions` are those besides."""
    said: list[Outgoing] = []
    for one in advanced:
        said += [spoken(what) for what in one.spoken]
        said += [own_event(event) for event in one.events]
        said += [decided(decision) for decision in one.decisions]
    return said + [decided(decision) for decision in decisions]


def spoken(what: Spoken) -> Outgoing:
    """Facts, a message or a cancel, under the person's home."""
    match what:
        case Facts():
            name = named("facts", what.profile, what.version)
        case Message():
            name = what.id
        case Cancel():
            name = named("cancel", what.id)
        case _:
            assert_never(what)
    return Outgoing(Topic.MESSAGES, what.key, encode(what), name)


def own_event(event: Event) -> Outgoing:
    """An event of our own: already applied, and remembered, when it comes round."""
    return Outgoing(Topic.EVENTS, key_of(event), encode(event), event.id)


def decided(decision: Decision) -> Outgoing:
    """A decision, for whoever asks why."""
    return Outgoing(Topic.DECISIONS, decision.key or f"{decision.workspace}/", encode(decision), decision.id)
