"""What an event tells about the person: ids, traits, addresses, zone, locale, consent."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from dangol.decisions import Reason, Verdict
from dangol.events import Event, Kind, person_key
from dangol.messages import ConsentStatement
from dangol_journey.addresses import READ, TOKEN_TRAITS, addresses_in, believed, place, read_addresses
from dangol_journey.clockwork import zone_of
from dangol_journey.consents import CONSENT_EVENTS, keep, statements_in
from dangol_journey.journey import Definitions
from dangol_journey.model import Person, Remembered
from dangol_journey.people import clean_id
from dangol_journey.traits import MISSING, compute, property_at
from dangol_journey.turn import Turn, decide, outline, tell_facts

# A person is loaded with every event of theirs, and others wait meanwhile: what is kept of one is bounded.
MAX_TRAITS = 500
MAX_TRAITS_BYTES, SMALL = 64 * 1024, 256  # of JSON: of all traits where one is not small
MAX_REMEMBERED_BYTES = 1024  # of JSON, of one value
MAX_ANONYMOUS_IDS = 50
MAX_REMEMBERED = 200
REMEMBERED_FOR = timedelta(hours=72)
_LEARNED = ("timezone", "locale")
_TELLS = ("traits", "device", "consent", *_LEARNED)  # what of an event's context is looked at
ADDRESS_TRAITS = frozenset({"email", "phone", *TOKEN_TRAITS})
_encode = msgspec.json.Encoder().encode


def learn(turn: Turn, event: Event) -> None:
    """Bring the person up to date with what the event tells, and say its facts if that changed them."""
    stated = stated_traits(event)
    if _no_news(turn, event, stated):  # most events: what they leave as it is need not be compared
        compute(turn.definitions, turn.person, event, turn.name)
        _remember(turn.definitions, turn.person, event, turn.name)
        return
    before = outline(turn.definitions, turn.person)
    trusted = believed(turn.person, event)
    _learn_ids(turn.person, event)
    news = [field for field in READ if stated.get(field) not in (None, "", turn.person.traits.get(field))]
    _learn_traits(turn.person, event, stated, trusted)
    if stated or "device" in event.context:
        _learn_addresses(turn, event, stated, trusted, news)
    consents = _learn_consents(turn, event, stated) if trusted else ()
    compute(turn.definitions, turn.person, event, turn.name)
    _remember(turn.definitions, turn.person, event, turn.name)
    tell_facts(turn, before, tuple(consents))


def _no_news(turn: Turn, event: Event, stated: Mapping[str, Any]) -> bool:
    """Whether an event surely tells nothing of ids, traits, addresses, zone, locale and consent, nor changes facts."""
    person = turn.person
    tells = stated or turn.name in CONSENT_EVENTS or not event.context.keys().isdisjoint(_TELLS)
    if tells or turn.definitions.fact_traits:
        return False
    if not person.traits.keys().isdisjoint(_LEARNED):  # zone and locale follow them, also where a step set them
        return False
    user, anonymous = clean_id(event.user_id), clean_id(event.anonymous_id)
    return not (user and person.user_id is None) and (not anonymous or anonymous in person.anonymous_ids)


def stated_traits(event: Event) -> dict[str, Any]:
    """The traits an event states of its person: a group's are not the person's."""
    context = event.context.get("traits")
    own = {} if event.kind is Kind.GROUP else event.traits
    return context | own if isinstance(context, dict) else own


def _learn_ids(person: Person, event: Event) -> None:
    user, anonymous = clean_id(event.user_id), clean_id(event.anonymous_id)
    if user and person.user_id is None:
        person.user_id = user
        person.key = person_key(person.workspace, user, None)
    if anonymous and anonymous not in person.anonymous_ids:
        person.anonymous_ids = [*person.anonymous_ids, anonymous][-MAX_ANONYMOUS_IDS:]


def _learn_traits(person: Person, event: Event, stated: Mapping[str, Any], trusted: bool) -> None:
    """Take the traits an older event does not overwrite; zone and locale also from the context."""
    for name, value in stated.items():
        if not trusted and name in ADDRESS_TRAITS:
            continue
        known = person.trait_times.get(name)
        if not _fits(person, name, value):
            continue
        if (known is None and len(person.traits) < MAX_TRAITS) or (known is not None and known <= event.at):
            person.traits[name] = value
            person.trait_times[name] = event.at
    zone = person.traits.get("timezone") or event.context.get("timezone")
    if isinstance(zone, str) and zone_of(zone):
        person.zone = zone
    locale = person.traits.get("locale") or event.context.get("locale")
    if isinstance(locale, str) and 0 < len(locale) <= 35:
        person.locale = locale


def _learn_addresses(turn: Turn, event: Event, stated: Mapping[str, Any], trusted: bool, news: Sequence[str]) -> None:
    locales = (turn.definitions.locale, turn.person.locale or "")
    read = read_addresses(stated, locales)
    for address in addresses_in(event, stated, read, trusted):
        turn.person.addresses = place(turn.person.addresses, address)
    for field in news:
        if read[field] is None:  # told once, not with every event that repeats it
            decide(turn, Verdict.REJECTED, Reason.BAD_ADDRESS, about=field, field=field)


def _fits(person: Person, name: str, value: Any) -> bool:
    size = len(_encode(value)) + len(name)
    if size <= SMALL:
        return True
    others = {held: value for held, value in person.traits.items() if held != name}
    return size + len(_encode(others)) <= MAX_TRAITS_BYTES


def _learn_consents(turn: Turn, event: Event, stated: Mapping[str, Any]) -> list[ConsentStatement]:
    statements = statements_in(turn.definitions, turn.person, event, turn.name, stated)
    for statement in statements:
        turn.person.consents = keep(turn.person.consents, statement)
    return statements


def _remember(definitions: Definitions, person: Person, event: Event, name: str) -> None:
    """Keep that an event happened which exits, goals and waits name: another key may yet bring an older event."""
    paths = definitions.remembered.get(name)
    if paths is None or any(item.id == event.id for item in person.remembered):
        return
    properties: dict[str, Any] = {}
    for path in sorted(paths):
        value = property_at(event.properties, path.removeprefix("event."))
        if value is not MISSING and len(_encode(value)) <= MAX_REMEMBERED_BYTES:
            _put(properties, path.removeprefix("event.").split("."), value)
    one = Remembered(event=name, at=event.at, id=event.id, properties=properties)
    kept = sorted([*person.remembered, one], key=lambda item: (item.at, item.id))
    newest = kept[-1].at
    person.remembered = [item for item in kept if newest - item.at < REMEMBERED_FOR][-MAX_REMEMBERED:]


def _put(into: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        into = into.setdefault(name, {})
    into[path[-1]] = value
