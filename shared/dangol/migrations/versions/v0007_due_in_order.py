"""People due at one moment wake in the order of their ids: a crowd of one workspace does not go before another's."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WAKES = sa.text("wake_at IS NOT NULL")


def upgrade() -> None:
    """To this revision."""
    _index(["home", "wake_at", "id"])


def downgrade() -> None:
    """Back to the one before."""
    _index(["home", "wake_at"])


def _index(columns: list[str]) -> None:
    op.drop_index("profile_wake", "profile")
    op.create_index("profile_wake", "profile", columns, postgresql_where=_WAKES, sqlite_where=_WAKES)
