"""The tables of journey."""

import sqlalchemy as sa
from alembic import op

from dangol.db import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    _enrolment()
    _erasure_key()
    _identity()
    _profile()
    _seen_id()
    _set_aside()
    _tombstone()


def downgrade() -> None:
    """Back from it."""
    op.drop_table("tombstone")
    op.drop_table("set_aside")
    op.drop_table("seen_id")
    op.drop_table("profile")
    op.drop_table("identity")
    op.drop_table("erasure_key")
    op.drop_table("enrolment")


def _enrolment() -> None:
    op.create_table(
        "enrolment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("journey", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("entered_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("goal_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("enrolment_counts", "enrolment", ["workspace", "journey", "status", "step"], unique=False)
    op.create_index("enrolment_entered", "enrolment", ["profile", "journey", "key", "entered_at"], unique=False)
    op.create_index(
        "enrolment_live",
        "enrolment",
        ["profile", "journey", "key"],
        unique=True,
        postgresql_where=sa.text("status = 'live'"),
        sqlite_where=sa.text("status = 'live'"),
    )
    op.create_index(
        "enrolment_open",
        "enrolment",
        ["profile"],
        unique=False,
        postgresql_where=sa.text("status = 'live' OR goal_until IS NOT NULL"),
        sqlite_where=sa.text("status = 'live' OR goal_until IS NOT NULL"),
    )


def _erasure_key() -> None:
    op.create_table(
        "erasure_key",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
    )


def _identity() -> None:
    op.create_table(
        "identity",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "value"),
    )
    op.create_index(op.f("ix_identity_profile"), "identity", ["profile"], unique=False)


def _profile() -> None:
    op.create_table(
        "profile",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("home", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("wake_at", UtcDateTime(), nullable=True),
        sa.Column("wake_raises", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_profile_merged_into"), "profile", ["merged_into"], unique=False)
    op.create_index("profile_email", "profile", ["workspace", "email"], unique=False)
    op.create_index(
        "profile_wake",
        "profile",
        ["home", "wake_at"],
        unique=False,
        postgresql_where=sa.text("wake_at IS NOT NULL"),
        sqlite_where=sa.text("wake_at IS NOT NULL"),
    )


def _seen_id() -> None:
    op.create_table(
        "seen_id",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id"),
    )
    op.create_index(op.f("ix_seen_id_at"), "seen_id", ["at"], unique=False)


def _set_aside() -> None:
    op.create_table(
        "set_aside",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("definitions", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("replayed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_set_aside_profile"), "set_aside", ["profile"], unique=False)
    op.create_index(op.f("ix_set_aside_workspace"), "set_aside", ["workspace"], unique=False)


def _tombstone() -> None:
    op.create_table(
        "tombstone",
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "hash"),
    )
