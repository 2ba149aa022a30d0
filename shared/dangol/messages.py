"""What we say, to whom we may say it, and what we no longer want said: the payloads of the topic `messages`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from dangol.events import Origin


class Channel(StrEnum):
    """A way to reach a person."""

    EMAIL = "email"
    SMS = "sms"
    LMS = "lms"
    PUSH = "push"
    WEB_PUSH = "web_push"
    ALIMTALK = "alimtalk"
    BRAND_MESSAGE = "brand_message"
    IN_APP = "in_app"
    SLACK = "slack"
    TEAMS = "teams"
    WEBHOOK = "webhook"


# Consent is stated per road to a person; several channels share one.
CONSENT_CHANNEL = {
    Channel.EMAIL: "email",
    Channel.SMS: "sms",
    Channel.LMS: "sms",
    Channel.PUSH: "push",
    Channel.WEB_PUSH: "push",
    Channel.ALIMTALK: "kakao",
    Channel.BRAND_MESSAGE: "kakao",
    Channel.IN_APP: "in_app",
}


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a person can be reached: `kind` email | phone | device, `value` as normalised by journey.

    `verified` is false for what an untrusted browser claimed: kept, and never sent to.
    `detail` tells more of a device: {platform: ios|android|web, type: token|fid}.
    """

    kind: str
    value: str
    verified: bool = True
    at: datetime
    detail: dict[str, Any] = {}


class ConsentStatement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement of consent, given or withdrawn, with its proof.

    `channels` are consent channels (email, sms, push, kakao, in_app) or `all`; `night` is the separate
    consent to be reached at night. The newest by `at` wins; a refusal wins a tie.
    """

    purpose: str = "marketing"
    channels: tuple[str, ...] = ("all",)
    granted: bool
    night: bool | None = None
    wording: str = ""
    source: str = ""
    at: datetime
    event_id: str = ""
    origin: Origin = Origin.SERVER


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="facts", tag_field="type"):
    """What the dispatcher must know of a person, newest version wins; written before any message relying on it.

    `consents` are only the statements new since the last facts. `merged_into` names the profile
    that took this one over; with `doubtful`, what this one agreed to is not the other's word: only its refusals are.
    `erased` asks that all of the person but the suppressions be forgotten.
    """

    workspace: str
    profile: str
    version: int
    key: str  # the person's log key (home)
    user_id: str | None = None
    anonymous_ids: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    zone: str | None = None
    locale: str | None = None
    traits: dict[str, Any] = {}  # only those named by rules (preferred_channel, open_tickets)
    consents: tuple[ConsentStatement, ...] = ()
    merged_into: str | None = None
    doubtful: bool = False
    erased: bool = False
    v: int = 1


class CouponIssue(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon promised to a person by a step; the dispatcher binds a code to `issue` when it first says it."""

    pool: str
    issue: str  # uuid5(enrolment, step, visit): the same code for every message that names it
    expires_at: datetime | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="message", tag_field="type"):
    """One thing to be said to one person, named when its step was entered.

    `by` lists channels in the order of preference. `values` are the namespaces a template may name
    (profile, event, entry, latest, context, and steps' results), as they were at the step's moment.
    `webhook` is set for a webhook step: {gateway, json}; it has no template and needs no consent.
    """

    workspace: str
    id: str  # uuid5(enrolment, step, visit)
    profile: str
    person_version: int
    key: str
    user_id: str | None = None
    anonymous_id: str | None = None
    journey: str
    version: int  # of the journey: the definitions' number that published it
    enrolment: str
    step: str
    visit: int
    at: datetime  # the step's moment
    expires_at: datetime | None = None
    template: str = ""
    by: tuple[str, ...] = ()
    to: str | None = None  # a staff target ("#vip") in place of the person
    values: dict[str, Any] = {}
    coupons: dict[str, CouponIssue] = {}
    priority: int = 50
    holdout: bool = False  # of the control group: walks all the rules, and is not sent
    webhook: dict[str, Any] | None = None
    v: int = 1


class Cancel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel", tag_field="type"):
    """A message no longer wanted (its enrolment left): dropped unless it was already claimed."""

    workspace: str
    id: str  # of the message
    profile: str
    key: str
    reason: str  # a Reason
    at: datetime
    v: int = 1


Spoken = Facts | Message | Cancel
