"""Computed traits: a person's aggregates over events, kept as a little state each."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dangol.events import Event
from dangol_journey.journey import Aggregate, ComputedTrait, Definitions, Missing
from dangol_journey.model import Person

MISSING = object()


def profile_of(definitions: Definitions, person: Person) -> dict[str, Any]:
    """The namespace `profile`: traits, computed traits (a count and a sum of nothing is 0), and the known ones."""
    profile = dict(person.traits)
    for name, is_number in definitions.computed.items():
        if name in person.computed:
            profile[name] = person.computed[name]["value"]
        elif is_number:
            profile[name] = 0
    for name, value in (("user_id", person.user_id), ("timezone", person.zone), ("locale", person.locale)):
        if value is not None:
            profile[name] = value
    return profile


def trait_of(definitions: Definitions, person: Person, name: str) -> Any:
    """One value of `profile_of`, or `MISSING`."""
    match name:
        case "user_id" if person.user_id is not None:
            return person.user_id
        case "timezone" if person.zone is not None:
            return person.zone
        case "locale" if person.locale is not None:
            return person.locale
    if name in definitions.computed and name in person.computed:
        return person.computed[name]["value"]
    return 0 if definitions.computed.get(name) else person.traits.get(name, MISSING)


def property_at(properties: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or `MISSING`."""
    value: Any = properties
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


def compute(definitions: Definitions, person: Person, event: Event, name: str) -> bool:
    """Bring the traits computed from this event up to date; whether any changed."""
    changed = False
    for trait in definitions.traits.get(name, ()):
        if _counts(definitions, person, event, trait):
            changed |= _take(person, event, trait)
    return changed


def _counts(definitions: Definitions, person: Person, event: Event, trait: ComputedTrait) -> bool:
    if trait.where is None:
        return True
    scope = {"event": event.properties, "context": event.context, "profile": profile_of(definitions, person)}
    try:
        return trait.where.value(scope) is True
    except Missing:
        return False


def _take(person: Person, event: Event, trait: ComputedTrait) -> bool:
    before = person.computed.get(trait.name)
    value = event.at.isoformat() if trait.value is None else property_at(event.properties, trait.value)
    after = _next(trait.aggregate, before, value, event.at)
    if after is None or after == before:
        return False
    person.computed[trait.name] = after
    return True


def _next(aggregate: Aggregate, before: dict[str, Any] | None, value: Any, at: datetime) -> dict[str, Any] | None:
    """The state after one more value; None where the value is none of its kind. First and last go by event time."""
    match aggregate:
        case Aggregate.COUNT:
            return {"value": (before["value"] if before else 0) + 1}
        case Aggregate.SUM:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return _summed(before, {"value": value})
        case Aggregate.FIRST | Aggregate.LAST:
            if value is MISSING:
                return None
            held = datetime.fromisoformat(before["at"]) if before else None
            newer = held is None or (at < held if aggregate is Aggregate.FIRST else at >= held)
            return {"value": value, "at": at.isoformat()} if newer else before


def joined(aggregate: Aggregate, one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    """The state two people's events would have given together."""
    if one is None or other is None:
        return one or other
    match aggregate:
        case Aggregate.COUNT | Aggregate.SUM:
            return _summed(one, other)
        case Aggregate.FIRST:
            return min(one, other, key=lambda state: datetime.fromisoformat(state["at"]))
        case Aggregate.LAST:
            return max(one, other, key=lambda state: datetime.fromisoformat(state["at"]))


def _summed(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any] | None:
    """The two together; the first alone where that is more than a number can say: JSON knows no infinity."""
    total = (one["value"] if one else 0) + other["value"]
    return {"value": total} if math.isfinite(total) else one


def preset(definitions: Definitions, person: Person, stated: Mapping[str, Any], at: datetime) -> None:
    """Give a person these traits as they are, computed ones too."""
    for name, value in stated.items():
        if name in definitions.computed:
            person.computed[name] = {"value": value, "at": at.isoformat()}
        else:
            person.traits[name], person.trait_times[name] = value, at
