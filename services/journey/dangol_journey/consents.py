"""What events state about consent, and which statement is the newest."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from dangol.events import ConsentEvent, Event
from dangol.messages import ConsentStatement
from dangol_journey.journey import Definitions
from dangol_journey.model import Person

YES = frozenset({"true", "yes", "y", "1"})
NO = frozenset({"false", "no", "n", "0"})
CONTEXT = "context.consent"
CONSENT_EVENTS = frozenset(ConsentEvent)
# A person's statements are loaded with every event of theirs: what one event may say of itself is bounded.
MAX_STATEMENTS, MAX_CHANNELS, MAX_NAME, MAX_WORDING = 100, 20, 100, 2_000


def statements_in(
    definitions: Definitions, person: Person, event: Event, name: str, traits: Mapping[str, Any]
) -> list[ConsentStatement]:
    """The statements an event makes. A trait or a context that says the same each time states it once."""
    found = list(_said(event, name)) if name in CONSENT_EVENTS else []
    for trait, (purpose, channels) in definitions.consent_traits.items() if traits else ():
        granted = _answer(traits.get(trait))
        if granted is not None and _news(person, trait, granted):
            found.append(_statement(event, purpose, channels, granted, source=f"trait {trait}"))
    for purpose, granted in _preferences(event.context["consent"]) if "consent" in event.context else ():
        if _news(person, f"{CONTEXT} {purpose}", granted):
            found.append(_statement(event, purpose, ("all",), granted, source=CONTEXT))
    return found


def keep(held: list[ConsentStatement], new: ConsentStatement) -> list[ConsentStatement]:
    """The newest statement for each purpose and channel; a refusal wins a tie."""
    for channel in new.channels:
        one = replace(new, channels=(channel,))
        rival = next((old for old in held if (old.purpose, old.channels) == (one.purpose, one.channels)), None)
        if rival is None and len(held) >= MAX_STATEMENTS:
            continue
        if rival is None or (one.at, not one.granted) >= (rival.at, not rival.granted):
            held = [old for old in held if old is not rival] + [one]
    return held


def _said(event: Event, name: str) -> Iterable[ConsentStatement]:
    says = event.properties
    given = says.get("channels") or ("all",)
    channels = given[:MAX_CHANNELS] if isinstance(given, list | tuple) else (given,)
    night = says.get("night")
    yield ConsentStatement(
        purpose=str(says.get("purpose") or "marketing")[:MAX_NAME],
        channels=tuple(str(channel)[:MAX_NAME] for channel in channels),
        granted=name == ConsentEvent.GIVEN,
        night=night if isinstance(night, bool) else None,
        wording=str(says.get("wording") or "")[:MAX_WORDING],
        source=str(says.get("source") or name)[:MAX_NAME],
        at=event.at,
        event_id=event.id,
        origin=event.origin,
    )


def _statement(
    event: Event, purpose: str, channels: tuple[str, ...], granted: bool, *, source: str
) -> ConsentStatement:
    return ConsentStatement(
        purpose=purpose,
        channels=channels or ("all",),
        granted=granted,
        source=source,
        at=event.at,
        event_id=event.id,
        origin=event.origin,
    )


def _news(person: Person, who: str, granted: bool) -> bool:
    """Whether this is not what `who` last said; a stale trait must not take back a withdrawal made elsewhere."""
    known = person.stated.get(who)
    if known is granted or (known is None and len(person.stated) >= MAX_STATEMENTS):
        return False
    person.stated[who] = granted
    return True


def _preferences(consent: object) -> Iterable[tuple[str, bool]]:
    """Segment's consent context: {categoryPreferences: {marketing: true}}; categories are purposes, in lower case."""
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if not isinstance(preferences, dict):
        return
    for category, value in sorted(preferences.items()):
        if isinstance(value, bool):
            yield str(category).lower()[:MAX_NAME], value


def _answer(value: object) -> bool | None:
    text = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    if text in YES:
        return True
    return False if text in NO else None
