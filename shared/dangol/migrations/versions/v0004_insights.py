"""The tables of insights."""

import sqlalchemy as sa
from alembic import op

from dangol.db import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    _archive_decision()
    _archive_event()


def downgrade() -> None:
    """Back from it."""
    op.drop_table("archive_event")
    op.drop_table("archive_decision")


def _archive_decision() -> None:
    op.create_table(
        "archive_decision",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("anonymous_id", sa.String(), nullable=True),
        sa.Column("profile", sa.String(), nullable=True),
        sa.Column("input", sa.String(), nullable=True),
        sa.Column("journey", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("workspace", "id", name="archive_decision_once"),
    )
    op.create_index(
        "archive_decision_of_anonymous", "archive_decision", ["workspace", "anonymous_id", "at"], unique=False
    )
    op.create_index("archive_decision_of_input", "archive_decision", ["workspace", "input"], unique=False)
    op.create_index("archive_decision_of_journey", "archive_decision", ["workspace", "journey", "at"], unique=False)
    op.create_index("archive_decision_of_message", "archive_decision", ["workspace", "message"], unique=False)
    op.create_index("archive_decision_of_profile", "archive_decision", ["workspace", "profile", "at"], unique=False)
    op.create_index("archive_decision_of_user", "archive_decision", ["workspace", "user_id", "at"], unique=False)
    op.create_index("archive_decision_of_verdict", "archive_decision", ["workspace", "verdict", "at"], unique=False)


def _archive_event() -> None:
    op.create_table(
        "archive_event",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("anonymous_id", sa.String(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("workspace", "id", name="archive_event_once"),
    )
    op.create_index("archive_event_of_anonymous", "archive_event", ["workspace", "anonymous_id", "at"], unique=False)
    op.create_index("archive_event_of_name", "archive_event", ["workspace", "name", "at"], unique=False)
    op.create_index("archive_event_of_user", "archive_event", ["workspace", "user_id", "at"], unique=False)
