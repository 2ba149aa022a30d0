"""A message no longer wanted while it is tried, and a gateway's rate kept for all workers."""

import sqlalchemy as sa
from alembic import op

from dangol.db import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.add_column("message", sa.Column("cancelled", sa.String(), nullable=False, server_default=""))
    op.add_column("gateway_state", sa.Column("paced_until", UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Back from it."""
    op.drop_column("gateway_state", "paced_until")
    op.drop_column("message", "cancelled")
