"""A small model of the dispatcher, to try journeys with: consent, addresses, content, quiet hours, expiry. No caps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from dangol.decisions import Reason
from dangol.documents import DefinitionSet
from dangol.messages import CONSENT_CHANNEL, Channel, ConsentStatement, Message
from dangol_journey.clockwork import next_inside, zone_for
from dangol_journey.journey import Window
from dangol_journey.model import Person

ADDRESS = {"email": "email", "sms": "phone", "kakao": "phone", "push": "device"}  # what a consent channel needs
ALWAYS = frozenset({"in_app", "slack", "teams", "webhook"})


@dataclass(frozen=True, slots=True)
class HandedOver:
    """It went out, on this channel."""

    channel: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """It did not: `fate` is dropped, expired or failed; `reasons` are those of each channel, in order."""

    fate: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Not now."""

    until: datetime
    reason: str


Outcome = HandedOver | NotSent | Held
Answer = HandedOver | Held | str  # of one channel: a text is the reason why not


@dataclass(frozen=True, slots=True)
class Rules:
    """What the model knows of templates and quiet hours. `failing` are steps or templates no gateway takes."""

    templates: Mapping[str, Mapping[str, Any]]
    quiet: Window | None
    quiet_channels: frozenset[str]
    zone: str
    failing: frozenset[str] = frozenset()


def rules_of(definitions: DefinitionSet) -> Rules:
    """The rules in a set of definitions."""
    bodies = (document.body for document in definitions.of("caps"))
    quiet: Mapping[str, Any] = next((body["quiet"] for body in bodies if isinstance(body.get("quiet"), Mapping)), {})
    workspace = next((document.body for document in definitions.of("workspace")), {})
    return Rules(
        templates={document.name: document.body for document in definitions.of("template")},
        quiet=window_of(quiet.get("between")),
        quiet_channels=frozenset(quiet.get("channels", ())),
        zone=str(workspace.get("zone") or "UTC"),
    )


def window_of(text: object) -> Window | None:
    """The window that `"20:50-08:00"` says; None for what says none."""
    try:
        start, end = (time.fromisoformat(part.strip()) for part in str(text).split("-"))
    except ValueError:
        return None
    return Window(start, end)


def judge(rules: Rules, message: Message, person: Person, now: datetime) -> Outcome:
    """What would become of a message handed to the dispatcher now: the first channel that can reach the person."""
    if message.expires_at is not None and now >= message.expires_at:
        return NotSent("expired", (Reason.EXPIRED,))
    if {message.step, message.template} & rules.failing:
        return NotSent("failed", (Reason.GAVE_UP,))
    if message.holdout:
        return NotSent("dropped", (Reason.HOLDOUT,))
    template = rules.templates.get(message.template, {})
    answers = [_on(rules, template, channel, person, now) for channel in _channels(message, person, template)]
    ready = next((answer for answer in answers if isinstance(answer, HandedOver)), None)
    held = min((answer for answer in answers if isinstance(answer, Held)), key=lambda one: one.until, default=None)
    if ready or held is None:
        return ready or NotSent("dropped", tuple(answer for answer in answers if isinstance(answer, str)))
    worthless = message.expires_at is not None and held.until >= message.expires_at
    return Held(message.expires_at or held.until, held.reason) if worthless else held


def _channels(message: Message, person: Person, template: Mapping[str, Any]) -> Iterable[str]:
    """The channels asked for; `preferred` is the person's own, then those the template speaks on."""
    for channel in message.by:
        if channel != "preferred":
            yield channel
            continue
        preferred = person.traits.get("preferred_channel")
        yield from ([str(preferred)] if preferred else [])
        yield from (str(name) for name in template if name in set(Channel))


def _on(rules: Rules, template: Mapping[str, Any], channel: str, person: Person, now: datetime) -> Answer:
    """One channel: handed over, held, or the reason why not."""
    road = CONSENT_CHANNEL.get(Channel(channel), channel) if channel in set(Channel) else channel
    if channel not in template and channel != Channel.WEBHOOK:
        return Reason.NO_CONTENT
    marketing = template.get("category", "marketing") == "marketing" and channel not in ALWAYS
    statement = _consent(person.consents, road)
    if marketing and not (statement and statement.granted):
        return Reason.WITHDRAWN if statement else Reason.NO_CONSENT
    if not _reachable(person, road, statement):
        return Reason.NO_ADDRESS
    if marketing and channel in rules.quiet_channels and rules.quiet and not (statement and statement.night):
        open_hours = Window(rules.quiet.end, rules.quiet.start)
        opening = next_inside(now, open_hours, zone_for(person.zone, rules.zone))
        if opening > now:
            return Held(opening, Reason.QUIET_HOURS)
    return HandedOver(channel)


def _consent(statements: Iterable[ConsentStatement], road: str) -> ConsentStatement | None:
    """The newest statement for a consent channel, a refusal on a tie."""
    mine = [one for one in statements if one.purpose == "marketing" and {road, "all"} & set(one.channels)]
    return max(mine, key=lambda one: (one.at, not one.granted), default=None)


def _reachable(person: Person, road: str, consent: ConsentStatement | None) -> bool:
    """Whether there is an address; in a trial who consented to a channel is taken to have one."""
    if road in ALWAYS or consent is not None:
        return True
    return any(address.kind == ADDRESS.get(road, road) and address.verified for address in person.addresses)
