"""What a workspace's definitions name: events, traits, templates, coupons, gateways; and names close to a wrong one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dangol.documents import DefinitionSet
from dangol.errors import Invalid
from dangol.events import CALL_NAMES, ConsentEvent, Fate
from dangol.messages import Channel
from dangol.spans import span

BUILT_IN_EVENTS = frozenset((*CALL_NAMES.values(), *Fate, *ConsentEvent))
# what a profile has without a declaration; any other trait may have been stated by the app
BUILT_IN_TRAITS = frozenset(
    (
        *("user_id", "email", "phone", "name", "first_name", "last_name", "locale", "timezone"),
        *("country", "city", "gender", "birthday", "age", "tier"),
    )
)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything a journey may name. `events`: name → declared properties; `templates`: name → its channels."""

    events: Mapping[str, Mapping[str, Any]]
    aliases: Mapping[str, str]
    traits: frozenset[str]
    templates: Mapping[str, tuple[str, ...]]
    coupons: Mapping[str, timedelta | None]
    gateways: Mapping[str, str]  # name → channel
    journeys: frozenset[str]

    def event(self, name: str) -> str:
        """The event's name, where another name of it is given."""
        return self.aliases.get(name, name)

    def is_event(self, name: str) -> bool:
        """Whether an event is declared, or our own."""
        return self.event(name) in self.events or name in BUILT_IN_EVENTS


def known_of(definitions: DefinitionSet) -> Known:
    """What these definitions name; what is malformed in them is passed over."""
    return Known(
        events={one.name: _map(one.body.get("has")) for one in definitions.of("event")},
        aliases=_aliases(definitions),
        traits=frozenset(one.name for one in definitions.of("trait")),
        templates={one.name: channels_of(one.body) for one in definitions.of("template")},
        coupons={one.name: _valid_for(one.body) for one in definitions.of("coupon")},
        gateways={one.name: str(one.body.get("channel", "")) for one in definitions.of("gateway")},
        journeys=frozenset(one.name for one in definitions.of("journey")),
    )


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _aliases(definitions: DefinitionSet) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in definitions.of("event"):
        aka = one.body.get("aka")
        names = [aka] if isinstance(aka, str) else aka if isinstance(aka, list) else []
        found |= {name: one.name for name in names if isinstance(name, str)}
    return found


def channels_of(template: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels a template speaks on, in any of its languages."""
    bodies = [template, *(_map(body) for body in _map(template.get("locales")).values())]
    return tuple(dict.fromkeys(name for body in bodies for name in body if name in set(Channel)))


def _valid_for(coupon: Mapping[str, Any]) -> timedelta | None:
    said = coupon.get("valid_for", coupon.get("valid"))
    try:
        return span(said) if isinstance(said, str) else None
    except Invalid:
        return None
