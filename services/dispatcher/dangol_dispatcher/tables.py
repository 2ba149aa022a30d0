"""The tables dispatcher owns. Columns are what SQL looks for; the rest of a row is one JSON text."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from dangol.db import UtcDateTime
from dangol_dispatcher import edge_tables as edge_tables

OPEN = "status IN ('asked', 'held', 'claimed', 'retrying')"
COUNTED = "counted_at IS NOT NULL"
FREE = "state = 'free'"


class Recipient(SQLModel, table=True):
    """A person as the newest facts say. Locked, in id order, by whoever decides about them."""

    profile: str = Field(primary_key=True)
    workspace: str = Field(index=True)
    key: str
    version: int
    user_id: str | None = Field(default=None, index=True)
    facts: str = Field(sa_column=Column(Text, nullable=False))
    merged_into: str | None = None
    erased: bool = False


class ConsentStatement(SQLModel, table=True):
    """One statement with its proof: rows are added, never changed (a merge moves them to the person who stays)."""

    __tablename__ = "consent_statement"

    id: str = Field(primary_key=True)
    workspace: str
    profile: str = Field(index=True)
    purpose: str
    at: datetime = Field(sa_type=UtcDateTime)
    recorded_at: datetime = Field(sa_type=UtcDateTime)
    statement: str = Field(sa_column=Column(Text, nullable=False))


class ConsentState(SQLModel, table=True):
    """What the statements come to, on one road for one purpose."""

    __tablename__ = "consent_state"

    profile: str = Field(primary_key=True)
    purpose: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    workspace: str
    granted: bool
    night: bool
    at: datetime = Field(sa_type=UtcDateTime)


class Suppression(SQLModel, table=True):
    """An endpoint nothing is sent to, known by its keyed hash alone: it outlives the person's erasure."""

    workspace: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)  # the road: email, sms, push, kakao
    endpoint_hash: str = Field(primary_key=True)
    reason: str
    at: datetime = Field(sa_type=UtcDateTime)


class HashKey(SQLModel, table=True):
    """The random key of a workspace's endpoint hashes."""

    __tablename__ = "hash_key"

    workspace: str = Field(primary_key=True)
    key: str


class Message(SQLModel, table=True):
    """One thing to be said to one person: a row of the queue of the gateway it will leave by."""

    __table_args__ = (
        Index("message_due", "workspace", "gateway", "due_at", postgresql_where=text(OPEN), sqlite_where=text(OPEN)),
        Index(
            "message_expiry", "workspace", "gateway", "expires_at", postgresql_where=text(OPEN), sqlite_where=text(OPEN)
        ),
        Index("message_open_of", "profile", postgresql_where=text(OPEN), sqlite_where=text(OPEN)),
        Index("message_counted", "profile", "counted_at", postgresql_where=text(COUNTED), sqlite_where=text(COUNTED)),
        Index("message_of_user", "workspace", "user_id", "asked_at"),
        Index("message_of_journey", "workspace", "journey", "asked_at"),
    )

    id: str = Field(primary_key=True)
    workspace: str
    profile: str
    key: str
    user_id: str | None = None
    journey: str
    enrolment: str
    step: str
    status: str
    reason: str = ""
    details: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    gateway: str = ""  # whose loop decides about it; empty: none is configured
    channel: str | None = None  # the last chosen
    priority: int = 50
    category: str
    tags: str = Field(
        default="[]", sa_column=Column(Text, nullable=False)
    )  # as sent: a template edited later rewrites nothing
    payload: str = Field(sa_column=Column(Text, nullable=False))  # a `dangol.messages.Message`
    passed: str = Field(default="{}", sa_column=Column(Text, nullable=False))  # channels given up → reason
    delivery: str | None = None  # the one that may not be left for another: being tried, or of unknown fate
    asked_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)  # of a claimed one: when its lease ends
    expires_at: datetime = Field(sa_type=UtcDateTime)
    counted_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime
    )  # it holds a slot of the caps, dated by the last attempt
    cancelled: str = ""  # why it is no longer wanted, said while it was being tried
    decided: int = 0  # how many decisions were told: names the next
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Delivery(SQLModel, table=True):
    """What goes out on one channel to one endpoint. Its id is the key a gateway is given, the same in every try."""

    id: str = Field(primary_key=True)
    workspace: str
    message: str = Field(index=True)
    channel: str
    endpoint: str
    gateway: str
    content: str = Field(sa_column=Column(Text, nullable=False))  # parts, repeated byte for byte
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    template_version: int = 0
    status: str
    attempt: int
    counted_attempts: int = 0  # those the schedule counts; being throttled is none
    fence: int
    mode: str
    lease_until: datetime = Field(sa_type=UtcDateTime)
    first_claimed_at: datetime = Field(sa_type=UtcDateTime)
    ambiguous: int = 0  # how often nobody knew
    possible_duplicate: bool = False
    provider_id: str = Field(default="", index=True)


class Attempt(SQLModel, table=True):
    """One try of a delivery and what the gateway said."""

    delivery: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str = "trying"
    said: str = Field(default="", sa_column=Column(Text, nullable=False))


class Receipt(SQLModel, table=True):
    """What a provider told of a delivery; one that came before our own record is kept 24 hours."""

    id: str = Field(primary_key=True)  # uuid5(message, kind, provider's event)
    workspace: str
    message: str = Field(index=True)
    kind: str
    matched: bool
    at: datetime = Field(sa_type=UtcDateTime, index=True)
    details: str = Field(default="{}", sa_column=Column(Text, nullable=False))


class CouponCode(SQLModel, table=True):
    """A code of a pool, and the promise (`issue`) it is bound to for ever after."""

    __tablename__ = "coupon_code"
    __table_args__ = (
        Index("coupon_free", "workspace", "pool", "code", postgresql_where=text(FREE), sqlite_where=text(FREE)),
        Index("coupon_issue", "workspace", "pool", "issue", unique=True),
    )

    workspace: str = Field(primary_key=True)
    pool: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    issue: str | None = None
    state: str = "free"  # free → reserved (rendered) → said (a claim was committed); bound for ever
    profile: str | None = None
    at: datetime = Field(sa_type=UtcDateTime)


class Switch(SQLModel, table=True):
    """A kill switch that is on: all, channel:X, journey:X, template:X, category:X, gateway:X."""

    workspace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    by: str
    at: datetime = Field(sa_type=UtcDateTime)


class GatewayState(SQLModel, table=True):
    """What all workers know of a gateway: its circuit, its throttling, whether an operator must look."""

    __tablename__ = "gateway_state"

    workspace: str = Field(primary_key=True)
    gateway: str = Field(primary_key=True)
    circuit: str = "closed"
    failures: int = 0
    rests: int = 0
    retry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    throttled_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paced_until: datetime | None = Field(default=None, sa_type=UtcDateTime)  # what has left uses its rate up until then
    paused: str = ""
