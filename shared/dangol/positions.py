"""Where groups are in the log, and who may move them: rows fenced by an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from dangol.db import Db
from dangol.errors import Lost
from dangol.rows import BIG, INTEGER, Shape, execute
from dangol.tables import Position
from dangol.topics import Topic

_MOVES = Shape((("partition", INTEGER), ("seen", BIG), ("moved", BIG), ("epoch", BIG)))
_MOVE = """UPDATE position SET position = r.moved FROM {r} WHERE position."group" = :reading AND position.topic = :topic
    AND position.partition = r.partition AND position.position = r.seen AND position.epoch = r.epoch
    RETURNING position.partition"""


@dataclass(frozen=True, slots=True)
class Held:
    """A partition as the database has it: the next offset to handle, and the epoch of its holder."""

    partition: int
    position: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's step from the position that was `seen` to another, under our epoch."""

    partition: int
    seen: int
    to: int
    epoch: int


async def take_positions(
    db: Db, conn: AsyncConnection, topic: Topic, group: str, member: str, partitions: Sequence[int]
) -> list[Held]:
    """Make `member` the holder of these partitions (sorted): their epochs rise, so whoever held them can't save."""
    at = await db.now(conn)
    rows = [
        {
            "group": group,
            "topic": topic.value,
            "partition": p,
            "position": 0,
            "epoch": 1,
            "owner": member,
            "taken_at": at,
        }
        for p in partitions
    ]
    taking = (
        db.upsert(Position)
        .values(rows)
        .on_conflict_do_update(
            index_elements=["group", "topic", "partition"],
            set_={"epoch": Position.epoch + 1, "owner": member, "taken_at": at},
        )
        .returning(col(Position.partition), col(Position.position), col(Position.epoch))
    )
    return [Held(*row) for row in (await conn.execute(taking)).all()]


async def load_positions(conn: AsyncConnection, topic: Topic, group: str) -> list[Held]:
    """All partitions of this group's reading, whoever holds them."""
    wanted = select(col(Position.partition), col(Position.position), col(Position.epoch)).where(
        col(Position.group) == group, col(Position.topic) == topic.value
    )
    return [Held(*row) for row in (await conn.execute(wanted)).all()]


async def load_groups(conn: AsyncConnection, topic: Topic) -> dict[str, int]:
    """By group, where the one furthest behind of its partitions is."""
    wanted = (
        select(col(Position.group), func.min(Position.position))
        .where(col(Position.topic) == topic.value)
        .group_by(col(Position.group))
    )
    rows = (await conn.execute(wanted)).all()
    return {group: position or 0 for group, position in rows}


async def set_back(conn: AsyncConnection, group: str, end: int) -> None:
    """Positions of this group beyond the log's end become that end."""
    beyond = update(Position).where(col(Position.group) == group, col(Position.position) > end)
    await conn.execute(beyond.values(position=end))


async def has_begun(conn: AsyncConnection, group: str) -> bool:
    """Whether this group has positions here."""
    found = await conn.execute(select(col(Position.topic)).where(col(Position.group) == group).limit(1))
    return found.first() is not None


async def forget_group(conn: AsyncConnection, group: str) -> None:
    """The group keeps its positions elsewhere."""
    await conn.execute(delete(Position).where(col(Position.group) == group))


async def save_positions(conn: AsyncConnection, topic: Topic, group: str, moves: Sequence[Move]) -> None:
    """Make all the moves, or raise `Lost`: then some partition is another's, or was moved meanwhile."""
    if not moves:
        return
    rows = [(move.partition, move.seen, move.to, move.epoch) for move in moves]
    made = await execute(conn, _MOVE, _MOVES, rows, reading=group, topic=topic.value)
    if len(made) != len(moves):
        raise Lost(f"{topic} of {group}: a partition is another's now")
