"""The outbox in bundles, a row for all that one transaction says for one home; and less to write for each person."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OPEN = sa.text("status = 'live' OR goal_until IS NOT NULL")
_GOAL = sa.text("status <> 'live' AND goal_until IS NOT NULL")
_MERGED = sa.text("merged_into IS NOT NULL")
_BUNDLED = (("records", sa.LargeBinary()),)
_SINGLE = (("topic", sa.String()), ("key", sa.String()), ("name", sa.String()), ("value", sa.LargeBinary()))


def upgrade() -> None:
    """To this revision: what waits to be published is kept, in its order."""
    waiting = _taken_down()
    rows = [
        {"records": msgspec.msgpack.encode([(row.topic, row.key, row.name, bytes(row.value))]), **_whose(row)}
        for row in waiting
    ]
    _put_up(_BUNDLED, rows)
    op.drop_index("enrolment_open", "enrolment")
    op.create_index("enrolment_goal", "enrolment", ["profile"], postgresql_where=_GOAL, sqlite_where=_GOAL)
    op.drop_index("ix_profile_merged_into", "profile")
    op.create_index("profile_merged", "profile", ["merged_into"], postgresql_where=_MERGED, sqlite_where=_MERGED)
    if op.get_bind().dialect.name == "postgresql":
        # gone again within a second: squeezing it took longer than all else about it
        op.execute("ALTER TABLE unsent ALTER COLUMN records SET STORAGE EXTERNAL")
        # room on its page for a person's next version: where its moment stays, no index is written
        op.execute("ALTER TABLE profile SET (fillfactor = 80)")
        op.execute("ALTER TABLE enrolment SET (fillfactor = 80)")


def downgrade() -> None:
    """Back from it: each record a row again."""
    waiting = _taken_down()
    rows = [
        {"topic": topic, "key": key, "name": name, "value": value, **_whose(row)}
        for row in waiting
        for topic, key, name, value in msgspec.msgpack.decode(bytes(row.records))
    ]
    _put_up(_SINGLE, rows)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE profile RESET (fillfactor)")
        op.execute("ALTER TABLE enrolment RESET (fillfactor)")
    op.drop_index("profile_merged", "profile")
    op.create_index("ix_profile_merged_into", "profile", ["merged_into"])
    op.drop_index("enrolment_goal", "enrolment")
    op.create_index("enrolment_open", "enrolment", ["profile"], postgresql_where=_OPEN, sqlite_where=_OPEN)


def _whose(row: Any) -> dict[str, Any]:
    return {"service": row.service, "home": row.home}


def _taken_down() -> Sequence[Any]:
    rows = op.get_bind().execute(sa.text("SELECT * FROM unsent ORDER BY id")).all()
    op.drop_table("unsent")
    return rows


def _put_up(columns: tuple[tuple[str, Any], ...], rows: Sequence[dict[str, Any]]) -> None:
    table = op.create_table(
        "unsent",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("home", sa.Integer(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in columns),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("unsent_of_home", "unsent", ["service", "home", "id"], unique=False)
    op.bulk_insert(table, list(rows))
