"""What was decided about a person, and why: the payload of the topic `decisions`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Verdict(StrEnum):
    """What was decided."""

    # ingest
    REJECTED = "rejected"  # an item was not believed
    # journey
    CONSIDERED = "considered"  # an input was held against the entries of journeys: see `entries`
    WAITED = "waited"  # a step began to wait; details {until, ways}
    CHOSE = "chose"  # a fork took a way; details {way}
    ASKED = "asked"  # a message was asked of the dispatcher
    ISSUED = "issued"  # a coupon was promised
    SET = "set"  # traits were set
    EXITED = "exited"  # left before the end; details {as}
    FINISHED = "finished"  # came to the end
    CONVERTED = "converted"  # reached the goal
    MERGED = "merged"  # two profiles, or two enrolments, became one
    LOOP = "loop"  # more than 10 hops of our own events
    # dispatcher
    HELD = "held"  # not now; details {until}
    DROPPED = "dropped"  # not at all
    SKIPPED = "skipped"  # a channel was passed over for the next
    SENT = "sent"  # handed over
    RETRIED = "retried"  # will be tried again; details {at, attempt}
    FAILED = "failed"  # given up, or an input that raised
    UNKNOWN = "unknown"  # perhaps handed over
    RECEIVED = "received"  # a receipt: details {kind}
    CONSENT = "consent"  # consent or suppression changed


class Reason(StrEnum):
    """Why. A reason may carry a detail after a colon: `unknown: event.cart_value`."""

    # accepted ways
    MATCHED = "matched"
    DUE = "due"
    ELSE = "else"
    # not entered
    WHERE_NOT_MET = "where_not_met"
    UNKNOWN_VALUE = "unknown"
    NO_KEY = "no_key"
    ALREADY_INSIDE = "already_inside"
    ENTERED_BEFORE = "entered_before"
    TOO_MANY = "too_many"
    TOO_LATE = "too_late"
    ALREADY_OVER = "already_over"
    BACKFILLED = "backfilled"
    DUPLICATE = "duplicate"
    ID_REUSED = "id_reused"
    PAUSED = "paused"
    # left
    EXIT_EVENT = "exit_event"
    END = "end"
    MERGED_AWAY = "merged_away"
    ERASED = "erased"
    UNPUBLISHED = "unpublished"
    # may it be sent
    ALLOWED = "allowed"
    NO_CONSENT = "no_consent"
    WITHDRAWN = "withdrawn"
    NO_NIGHT_CONSENT = "no_night_consent"
    SUPPRESSED = "suppressed"
    HOLDOUT = "holdout"
    CAPPED = "capped"
    QUIET_HOURS = "quiet_hours"
    EXPIRED = "expired"
    KILL_SWITCH = "kill_switch"
    NO_ADDRESS = "no_address"
    UNVERIFIED_ADDRESS = "unverified_address"
    BAD_ADDRESS = "bad_address"  # what an event stated as one is none
    NO_CONTENT = "no_content"  # the template says nothing on this channel
    NO_GATEWAY = "no_gateway"
    UNKNOWN_TEMPLATE = "unknown_template"
    TEMPLATE_ERROR = "template_error"
    MISSING_VALUE = "missing_value"  # a template names what is not there, with no default
    POOL_EMPTY = "coupon_pool_empty"
    FACTS_AWAITED = "facts_awaited"
    CANCELLED = "cancelled"
    OUTRANKED = "outranked"
    RULES_UNREADABLE = "rules_unreadable"
    # what the gateway said
    ACCEPTED = "accepted"
    REJECTED_PERMANENTLY = "rejected_permanently"
    TEMPORARY_FAILURE = "temporary_failure"
    GATEWAY_DOWN = "gateway_down"  # its circuit is open
    CREDENTIALS = "credentials_refused"
    GAVE_UP = "gave_up"
    AMBIGUOUS = "ambiguous"  # no answer after it may have been taken
    # inputs
    INVALID = "invalid"
    RAISED = "raised"
    LOOPED = "looped"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One journey's answer to an input whose event is its entry."""

    journey: str
    version: int
    entered: bool
    reason: str
    key: str = ""
    enrolment: str | None = None
    details: dict[str, Any] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision, named by what it is about, so that a repeat of it is the same one.

    `by` is the service. `reason` starts with a `Reason`. `input` is the id of the event that led
    to it (absent for a moment that came). `message`, `enrolment`, `step` and `channel` say what it
    concerns; `details` hold what the sentence needs (until, at_most, rule, way, error).
    """

    workspace: str
    id: str
    at: datetime
    by: str
    verdict: Verdict
    reason: str
    key: str = ""  # the person's log key
    profile: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    input: str | None = None
    input_name: str | None = None
    journey: str | None = None
    version: int | None = None
    enrolment: str | None = None
    step: str | None = None
    message: str | None = None
    channel: str | None = None
    gateway: str | None = None
    entries: tuple[Entry, ...] = ()
    details: dict[str, Any] = {}
    v: int = 1
