"""Who an event is about: which profile its ids name, and what becomes of ids and profiles that meet."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

from dangol.events import Event, Kind, Origin, person_key
from dangol_journey.model import Person

IdKind = Literal["user", "anonymous"]
Identity = tuple[IdKind, str]

MAX_ID_BYTES = 256
# what programs write when they mean nobody
NO_IDS = frozenset({"", "null", "undefined", "0", "[object object]", "none", "nil", "nan", "false", "true"})


class Known(msgspec.Struct, frozen=True):
    """What the store has under an identity: its profile, and that profile's user id (None: nobody knows who it is)."""

    profile: str
    user_id: str | None


class Nobody(msgspec.Struct, frozen=True):
    """The event names no one: no id in it is an id."""


class Here(msgspec.Struct, frozen=True):
    """The event is about a profile all its ids already name."""

    profile: str


class New(msgspec.Struct, frozen=True):
    """A profile to be made, under these identities; `moved` of them are taken from the profiles they named."""

    identities: tuple[Identity, ...]
    moved: tuple[Identity, ...] = ()


class Link(msgspec.Struct, frozen=True):
    """These identities name this profile from now on; they named none before."""

    profile: str
    identities: tuple[Identity, ...]


class Move(msgspec.Struct, frozen=True):
    """A shared device changes hands: the identity names this profile from now on, and its past stays where it was."""

    profile: str
    identities: tuple[Identity, ...]


class Join(msgspec.Struct, frozen=True):
    """Two profiles are one person: the loser's identities, enrolments and facts go to the winner (`machine.merge`)."""

    winner: str
    loser: str


class Refused(msgspec.Struct, frozen=True):
    """Two known people join only by an alias with a secret key: the event is about `profile`, and they stay two."""

    profile: str
    other: str


Resolution = Nobody | Here | New | Link | Move | Join | Refused


@lru_cache(maxsize=4096)  # a batch asks several times for the same ids
def clean_id(value: str | None) -> str | None:
    """An id as it names somebody: trimmed; None for what is no id (`null`, `undefined`, `0`, over 256 bytes)."""
    trimmed = (value or "").strip()
    if trimmed.lower() in NO_IDS or len(trimmed.encode()) > MAX_ID_BYTES:
        return None
    return trimmed


def identities_of(event: Event) -> tuple[Identity, ...]:
    """Every identity whose profile `resolve` must be told, the event's own person first."""
    own = _own_identities(event.user_id, event.anonymous_id)
    previous = clean_id(event.previous_id) if event.kind is Kind.ALIAS else None
    if previous is None:
        return own
    return tuple(dict.fromkeys((*own, ("user", previous), ("anonymous", previous))))


@lru_cache(maxsize=4096)
def _own_identities(user_id: str | None, anonymous_id: str | None) -> tuple[Identity, ...]:
    user, anonymous = clean_id(user_id), clean_id(anonymous_id)
    named: tuple[Identity, ...] = (("user", user),) if user else ()
    return (*named, ("anonymous", anonymous)) if anonymous else named


def resolve(event: Event, known: Mapping[Identity, Known]) -> Resolution:
    """Whom the event is about, given what the store has under `identities_of(event)` (those it has).

    After a `Join` the event is resolved again, with what is then known.
    """
    user, anonymous = clean_id(event.user_id), clean_id(event.anonymous_id)
    if event.kind is Kind.ALIAS and (previous := clean_id(event.previous_id)) and (user or anonymous):
        answer = _alias(event, ("user", user) if user else ("anonymous", anonymous or ""), previous, known)
        if answer is not None:
            return answer
    if user and anonymous:
        return _both(("user", user), ("anonymous", anonymous), known)
    if not user and not anonymous:
        return Nobody()
    identity: Identity = ("user", user) if user else ("anonymous", anonymous or "")
    return Here(known[identity].profile) if identity in known else New((identity,))


def _both(user: Identity, anonymous: Identity, known: Mapping[Identity, Known]) -> Resolution:
    """An event with both ids: the anonymous one is linked only while it belongs to no known person."""
    person, visitor = known.get(user), known.get(anonymous)
    if visitor is None:
        return Link(person.profile, (anonymous,)) if person else New((user, anonymous))
    if person is None:
        nobodys = visitor.user_id is None
        return Link(visitor.profile, (user,)) if nobodys else New((user, anonymous), moved=(anonymous,))
    if person.profile == visitor.profile:
        return Here(person.profile)
    if visitor.user_id is None:
        return Join(winner=person.profile, loser=visitor.profile)
    return Move(person.profile, (anonymous,))


def _alias(event: Event, present: Identity, previous: str, known: Mapping[Identity, Known]) -> Resolution | None:
    """An alias says that `previous` is the present id's person; None where that says nothing new."""
    person = known.get(present)
    other = known.get(("user", previous)) or known.get(("anonymous", previous))
    if other is None:
        return Link(person.profile, (("anonymous", previous),)) if person else New((present, ("anonymous", previous)))
    if person is None:
        may = other.user_id is None or event.origin is Origin.SECRET
        return Link(other.profile, (present,)) if may else None
    if person.profile == other.profile:
        return None
    if person.user_id is None and other.user_id is not None:
        return Join(winner=other.profile, loser=person.profile)
    if other.user_id is None or event.origin is Origin.SECRET:
        return Join(winner=person.profile, loser=other.profile)
    return Refused(person.profile, other.profile)


def new_person(event: Event, profile: str, now: datetime) -> Person:
    """A profile as it begins, with the event that showed it first; `advance` then applies that event."""
    user, anonymous = clean_id(event.user_id), clean_id(event.anonymous_id)
    return Person(
        id=profile,
        workspace=event.workspace,
        key=person_key(event.workspace, user, anonymous),
        user_id=user,
        anonymous_ids=[anonymous] if anonymous else [],
        first_key_id=event.key_id if event.origin is Origin.BROWSER else "",
        created_at=now,
    )
