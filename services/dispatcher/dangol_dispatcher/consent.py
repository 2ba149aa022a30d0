"""Consent: what a person's statements come to, and what they allow."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from dangol.decisions import Reason
from dangol.messages import CONSENT_CHANNEL, ConsentStatement
from dangol_dispatcher.model import Consent, Skip, Standing

CONSENT_CHANNELS = ("email", "sms", "push", "kakao", "in_app")
MARKETING = "marketing"
_ROADS = {channel.value: road for channel, road in CONSENT_CHANNEL.items()}


def standing_consents(statements: Iterable[ConsentStatement]) -> dict[tuple[str, str], Consent]:
    """What statements in any order come to, by (purpose, consent channel): the newest wins, a refusal wins a tie.

    Night consent is a consent of its own: it holds from a grant that states it until any refusal.
    """
    consents: dict[tuple[str, str], Consent] = {}
    for statement in sorted(statements, key=lambda stated: (stated.at, not stated.granted, stated.night is False)):
        for channel in channels_of(statement):
            place = (statement.purpose, channel)
            consents[place] = _after(consents.get(place), statement)
    return consents


def channels_of(statement: ConsentStatement) -> tuple[str, ...]:
    """The consent channels a statement is about; a channel such as `lms` stands for its road."""
    if "all" in statement.channels:
        return CONSENT_CHANNELS
    return tuple(dict.fromkeys(consent_channel(channel) for channel in statement.channels))


def consent_channel(channel: str) -> str:
    """The road a channel goes by, for which consent is stated and endpoints are suppressed."""
    return _ROADS.get(channel, channel)


def needs_consent(channel: str, category: str) -> bool:
    """Whether consent must be on record: for marketing on a road to a person."""
    return category == MARKETING and consent_channel(channel) in CONSENT_CHANNELS


def refusal(channel: str, purpose: str, standing: Standing) -> Skip | None:
    """Why consent does not allow this channel; None when it does. No record is no consent."""
    stated = standing.consents.get((purpose, consent_channel(channel)))
    if stated is None:
        return Skip(Reason.NO_CONSENT, {"rule": "consent.opt_in", "purpose": purpose})
    if not stated.granted:
        return Skip(Reason.WITHDRAWN, {"rule": "consent.refusal", "purpose": purpose, "at": stated.at.isoformat()})
    return None


def night_allowed(channel: str, consents: Mapping[tuple[str, str], Consent]) -> bool:
    """Whether the separate consent to be reached at night is on record."""
    stated = consents.get((MARKETING, consent_channel(channel)))
    return stated is not None and stated.granted and stated.night


def _after(before: Consent | None, statement: ConsentStatement) -> Consent:
    if not statement.granted:
        return Consent(granted=False, night=False, at=statement.at)
    night = statement.night if statement.night is not None else before is not None and before.night
    return Consent(granted=True, night=night, at=statement.at)


def not_in_the_future(statement_at: datetime, now: datetime) -> datetime:
    """A statement from a clock that is ahead counts from now: it must not outlive a later refusal."""
    return min(statement_at, now)
