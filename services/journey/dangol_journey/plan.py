"""Whom each event of a batch is about, in order: identity resolved for all of them before anybody is loaded."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

import msgspec

from dangol.events import Event
from dangol.names import named
from dangol_journey.people import (
    Here,
    Identity,
    Join,
    Known,
    Link,
    Move,
    New,
    Nobody,
    Refused,
    Resolution,
    identities_of,
    resolve,
)

IdentityKey = tuple[str, str, str]  # workspace, kind, value


class Apply(msgspec.Struct, frozen=True):
    """This event is about this profile."""

    profile: str
    event: Event


class Take(msgspec.Struct, frozen=True):
    """From here on these ids are no longer of the profile `of`."""

    of: str
    identity: Identity


class Unite(msgspec.Struct, frozen=True):
    """From here on the two are one, because of this event."""

    winner: str
    loser: str
    event: Event


Act = Apply | Take | Unite


@dataclass(slots=True)
class Plan:
    """What shall happen, in order, and what it does to identities."""

    acts: list[Act] = field(default_factory=list)
    new: dict[str, Event] = field(default_factory=dict)  # profiles to be made, by the event that shows them
    nobody: list[Event] = field(default_factory=list)
    erased: list[Event] = field(default_factory=list)
    claims: dict[IdentityKey, str] = field(default_factory=dict)  # ids nobody had → their profile
    moves: dict[IdentityKey, str] = field(default_factory=dict)  # ids that change hands → their profile
    unions: list[tuple[str, str]] = field(default_factory=list)  # winner, loser

    def profiles(self, known: Mapping[IdentityKey, Known]) -> set[str]:
        """Every profile to be locked: whose ids were named, and whose they become."""
        named_ones = {one.profile for one in known.values()}
        return named_ones | set(self.claims.values()) | set(self.moves.values())


def plan(events: Sequence[Event], known: Mapping[IdentityKey, Known], buried: Mapping[IdentityKey, datetime]) -> Plan:
    """Resolve each event with what the ones before it did. `buried`: when the person of an id was erased."""
    users = {one.profile: one.user_id for one in known.values()}
    ground = _Ground({key: one.profile for key, one in known.items()}, users)
    made = Plan()
    for event in events:
        if buried and any(key in buried and min(event.at, event.received_at) <= buried[key] for key in keys_of(event)):
            made.erased.append(event)
        else:
            _place(event, ground, made)
    for key, profile in ground.owners.items():
        if key not in known:
            made.claims[key] = profile
        elif known[key].profile != profile:
            made.moves[key] = profile
    return made


def keys_of(event: Event) -> list[IdentityKey]:
    """The identities an event names, in its workspace."""
    return [(event.workspace, *identity) for identity in identities_of(event)]


def all_keys(events: Collection[Event]) -> set[IdentityKey]:
    """The identities these events name."""
    return {key for event in events for key in keys_of(event)}


@dataclass(slots=True)
class _Ground:
    """Identities and who is known, as they are by now."""

    owners: dict[IdentityKey, str]
    users: dict[str, str | None]

    def known(self, event: Event) -> dict[Identity, Known]:
        found: dict[Identity, Known] = {}
        for identity in identities_of(event):
            owner = self.owners.get((event.workspace, *identity))
            if owner is not None:
                found[identity] = Known(owner, self.users.get(owner))
        return found

    def give(self, event: Event, profile: str, identities: Sequence[Identity]) -> None:
        self.users.setdefault(profile, None)
        for kind, value in identities:
            self.owners[event.workspace, kind, value] = profile
            if kind == "user" and self.users[profile] is None:
                self.users[profile] = value

    def unite(self, winner: str, loser: str) -> None:
        self.owners.update({key: winner for key, owner in self.owners.items() if owner == loser})
        self.users[winner] = self.users.get(winner) or self.users.get(loser)


def _place(event: Event, ground: _Ground, made: Plan) -> None:
    answer = resolve(event, ground.known(event))
    while isinstance(answer, Join):
        ground.unite(answer.winner, answer.loser)
        made.acts.append(Unite(answer.winner, answer.loser, event))
        made.unions.append((answer.winner, answer.loser))
        answer = resolve(event, ground.known(event))
    profile = _settle(event, answer, ground, made)
    if profile is None:
        made.nobody.append(event)
    else:
        made.acts.append(Apply(profile, event))


def _settle(event: Event, answer: Resolution, ground: _Ground, made: Plan) -> str | None:
    match answer:
        case Nobody() | Join():
            return None
        case Here(profile) | Refused(profile, _):
            return profile
        case New(identities, moved):
            _take(event, moved, ground, made)
            profile = named("profile", event.workspace, *identities[0], event.id)
            made.new[profile] = event
            ground.give(event, profile, identities)
            return profile
        case Link(profile, identities):
            ground.give(event, profile, identities)
            return profile
        case Move(profile, identities):
            _take(event, identities, ground, made)
            ground.give(event, profile, identities)
            return profile
        case _:
            assert_never(answer)


def _take(event: Event, identities: Sequence[Identity], ground: _Ground, made: Plan) -> None:
    for identity in identities:
        owner = ground.owners.get((event.workspace, *identity))
        if owner is not None:
            made.acts.append(Take(owner, identity))
