"""Indexes of the archive, and of spent slots, leave out rows that have nothing to be found by: most of them."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = (
    ("archive_event_of_anonymous", "archive_event", ("workspace", "anonymous_id", "at"), "anonymous_id"),
    ("archive_decision_of_anonymous", "archive_decision", ("workspace", "anonymous_id", "at"), "anonymous_id"),
    ("archive_decision_of_input", "archive_decision", ("workspace", "input"), "input"),
    ("archive_decision_of_message", "archive_decision", ("workspace", "message"), "message"),
    ("archive_decision_of_journey", "archive_decision", ("workspace", "journey", "at"), "journey"),
    ("message_counted", "message", ("profile", "counted_at"), "counted_at"),
)


def upgrade() -> None:
    """To this revision."""
    for name, table, columns, known in _dropped():
        has_one = sa.text(f"{known} IS NOT NULL")
        op.create_index(name, table, columns, postgresql_where=has_one, sqlite_where=has_one)


def downgrade() -> None:
    """Back from it."""
    for name, table, columns, _ in _dropped():
        op.create_index(name, table, columns)


def _dropped() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for name, table, columns, known in INDEXES:
        op.drop_index(name, table)
        yield name, table, columns, known
