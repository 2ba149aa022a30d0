"""The tables of dispatcher."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from dangol.db import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    _attempt()
    _consent_state()
    _consent_statement()
    _coupon_code()
    _delivery()
    _gateway_state()
    _hash_key()
    _inbox_message()
    _link_key()
    _message()
    _receipt()
    _recipient()
    _suppression()
    _switch()


def downgrade() -> None:
    """Back from it."""
    op.drop_table("switch")
    op.drop_table("suppression")
    op.drop_table("recipient")
    op.drop_table("receipt")
    op.drop_table("message")
    op.drop_table("link_key")
    op.drop_table("inbox_message")
    op.drop_table("hash_key")
    op.drop_table("gateway_state")
    op.drop_table("delivery")
    op.drop_table("coupon_code")
    op.drop_table("consent_statement")
    op.drop_table("consent_state")
    op.drop_table("attempt")


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery", "attempt"),
    )


def _consent_state() -> None:
    op.create_table(
        "consent_state",
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("night", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("profile", "purpose", "channel"),
    )


def _consent_statement() -> None:
    op.create_table(
        "consent_statement",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_consent_statement_profile"), "consent_statement", ["profile"], unique=False)


def _coupon_code() -> None:
    op.create_table(
        "coupon_code",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("issue", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "pool", "code"),
    )
    op.create_index(
        "coupon_free",
        "coupon_code",
        ["workspace", "pool", "code"],
        unique=False,
        postgresql_where=sa.text("state = 'free'"),
        sqlite_where=sa.text("state = 'free'"),
    )
    op.create_index("coupon_issue", "coupon_code", ["workspace", "pool", "issue"], unique=True)


def _delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("counted_attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("first_claimed_at", UtcDateTime(), nullable=False),
        sa.Column("ambiguous", sa.Integer(), nullable=False),
        sa.Column("possible_duplicate", sa.Boolean(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_delivery_message"), "delivery", ["message"], unique=False)
    op.create_index(op.f("ix_delivery_provider_id"), "delivery", ["provider_id"], unique=False)


def _gateway_state() -> None:
    op.create_table(
        "gateway_state",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("circuit", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests", sa.Integer(), nullable=False),
        sa.Column("retry_at", UtcDateTime(), nullable=True),
        sa.Column("throttled_until", UtcDateTime(), nullable=True),
        sa.Column("paused", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "gateway"),
    )


def _hash_key() -> None:
    op.create_table(
        "hash_key",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
    )


def _inbox_message() -> None:
    op.create_table(
        "inbox_message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("delivery"),
    )
    op.create_index("inbox_of_person", "inbox_message", ["workspace", "profile", "id"], unique=False)


def _link_key() -> None:
    op.create_table(
        "link_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


_MESSAGE: tuple[sa.Column[Any], ...] = (
    sa.Column("id", sa.String(), nullable=False),
    sa.Column("workspace", sa.String(), nullable=False),
    sa.Column("profile", sa.String(), nullable=False),
    sa.Column("key", sa.String(), nullable=False),
    sa.Column("user_id", sa.String(), nullable=True),
    sa.Column("journey", sa.String(), nullable=False),
    sa.Column("enrolment", sa.String(), nullable=False),
    sa.Column("step", sa.String(), nullable=False),
    sa.Column("status", sa.String(), nullable=False),
    sa.Column("reason", sa.String(), nullable=False),
    sa.Column("details", sa.Text(), nullable=False),
    sa.Column("gateway", sa.String(), nullable=False),
    sa.Column("channel", sa.String(), nullable=True),
    sa.Column("priority", sa.Integer(), nullable=False),
    sa.Column("category", sa.String(), nullable=False),
    sa.Column("tags", sa.Text(), nullable=False),
    sa.Column("payload", sa.Text(), nullable=False),
    sa.Column("passed", sa.Text(), nullable=False),
    sa.Column("delivery", sa.String(), nullable=True),
    sa.Column("asked_at", UtcDateTime(), nullable=False),
    sa.Column("due_at", UtcDateTime(), nullable=False),
    sa.Column("expires_at", UtcDateTime(), nullable=False),
    sa.Column("counted_at", UtcDateTime(), nullable=True),
    sa.Column("decided", sa.Integer(), nullable=False),
    sa.Column("updated_at", UtcDateTime(), nullable=False),
)


def _message() -> None:
    op.create_table("message", *_MESSAGE, sa.PrimaryKeyConstraint("id"))
    op.create_index("message_counted", "message", ["profile", "counted_at"], unique=False)
    op.create_index(
        "message_due",
        "message",
        ["workspace", "gateway", "due_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('asked', 'held', 'claimed', 'retrying')"),
        sqlite_where=sa.text("status IN ('asked', 'held', 'claimed', 'retrying')"),
    )
    op.create_index(
        "message_expiry",
        "message",
        ["workspace", "gateway", "expires_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('asked', 'held', 'claimed', 'retrying')"),
        sqlite_where=sa.text("status IN ('asked', 'held', 'claimed', 'retrying')"),
    )
    op.create_index("message_of_journey", "message", ["workspace", "journey", "asked_at"], unique=False)
    op.create_index("message_of_user", "message", ["workspace", "user_id", "asked_at"], unique=False)
    op.create_index(
        "message_open_of",
        "message",
        ["profile"],
        unique=False,
        postgresql_where=sa.text("status IN ('asked', 'held', 'claimed', 'retrying')"),
        sqlite_where=sa.text("status IN ('asked', 'held', 'claimed', 'retrying')"),
    )


def _receipt() -> None:
    op.create_table(
        "receipt",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("matched", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_receipt_at"), "receipt", ["at"], unique=False)
    op.create_index(op.f("ix_receipt_message"), "receipt", ["message"], unique=False)


def _recipient() -> None:
    op.create_table(
        "recipient",
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("profile"),
    )
    op.create_index(op.f("ix_recipient_user_id"), "recipient", ["user_id"], unique=False)
    op.create_index(op.f("ix_recipient_workspace"), "recipient", ["workspace"], unique=False)


def _suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("endpoint_hash", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "channel", "endpoint_hash"),
    )


def _switch() -> None:
    op.create_table(
        "switch",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name"),
    )
