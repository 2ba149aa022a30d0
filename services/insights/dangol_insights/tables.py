"""The archive: every event and every decision, once each, whole as JSON beside the columns they are found by."""

from datetime import datetime

from sqlalchemy import Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from dangol.db import UtcDateTime
from dangol.tables import BigId


def _known(name: str, workspace: str, column: str, *more: str) -> Index:
    """An index of the rows that have a value in this column: most have none."""
    has_one = text(f"{column} IS NOT NULL")
    return Index(name, workspace, column, *more, postgresql_where=has_one, sqlite_where=has_one)


class ArchiveEvent(SQLModel, table=True):
    """An event as it came from the log. `number` is the order in which the archive took it."""

    __tablename__ = "archive_event"
    __table_args__ = (
        UniqueConstraint("workspace", "id", name="archive_event_once"),
        Index("archive_event_of_user", "workspace", "user_id", "at"),
        _known("archive_event_of_anonymous", "workspace", "anonymous_id", "at"),
        Index("archive_event_of_name", "workspace", "name", "at"),
    )
    number: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    workspace: str
    id: str
    at: datetime = Field(sa_type=UtcDateTime)
    name: str
    user_id: str | None = None
    anonymous_id: str | None = None
    body: str = Field(sa_type=Text)


class ArchiveDecision(SQLModel, table=True):
    """A decision as it came from the log. `number` is the order in which the archive took it."""

    __tablename__ = "archive_decision"
    __table_args__ = (
        UniqueConstraint("workspace", "id", name="archive_decision_once"),
        Index("archive_decision_of_user", "workspace", "user_id", "at"),
        _known("archive_decision_of_anonymous", "workspace", "anonymous_id", "at"),
        Index("archive_decision_of_profile", "workspace", "profile", "at"),
        _known("archive_decision_of_input", "workspace", "input"),
        _known("archive_decision_of_message", "workspace", "message"),
        _known("archive_decision_of_journey", "workspace", "journey", "at"),
        Index("archive_decision_of_verdict", "workspace", "verdict", "at"),
    )
    number: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    workspace: str
    id: str
    at: datetime = Field(sa_type=UtcDateTime)
    verdict: str
    reason: str
    user_id: str | None = None
    anonymous_id: str | None = None
    profile: str | None = None
    input: str | None = None
    journey: str | None = None
    message: str | None = None
    body: str = Field(sa_type=Text)
