"""Tables of the edges: what the inbox was handed, and the keys our links are sealed with."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from dangol.db import UtcDateTime
from dangol.tables import BigId


class InboxMessage(SQLModel, table=True):
    """One delivery as the inbox was handed it; its key makes a repeat the same one."""

    __tablename__ = "inbox_message"
    __table_args__ = (Index("inbox_of_person", "workspace", "profile", "id"),)
    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    delivery: str = Field(unique=True)
    message: str
    workspace: str
    profile: str
    channel: str
    endpoint: str
    gateway: str
    at: datetime = Field(sa_type=UtcDateTime)
    parts: str = Field(sa_type=Text)  # JSON
    raw: bytes = Field(default=b"", sa_type=LargeBinary)


class LinkKey(SQLModel, table=True):
    """A key that seals our links. The newest seals; all of them open, so that a link in an old mail goes on working."""

    __tablename__ = "link_key"
    id: int = Field(primary_key=True)
    secret: bytes = Field(sa_type=LargeBinary)
    made_at: datetime = Field(sa_type=UtcDateTime)
