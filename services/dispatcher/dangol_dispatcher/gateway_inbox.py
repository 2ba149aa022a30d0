"""The inbox: a gateway that keeps what it is handed for the page at /inbox, and a model of one that honours keys."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dangol.clock import Clock
from dangol.db import Db
from dangol.errors import Unavailable
from dangol_dispatcher.edge_tables import InboxMessage
from dangol_dispatcher.model import Accepted, Claimed, Later, Outcome
from dangol_dispatcher.rows import KEPT

MOST = 10_000  # letters
KEPT_FOR = timedelta(days=365)  # by the clock of the letters, which may be moved far ahead
AT_ONCE = 200  # of the too old


class InboxGateway:
    """Keeps each delivery once, whatever is repeated."""

    key_window: timedelta | None = timedelta(days=3650)
    batch = 100
    concurrency = 1
    deadline = timedelta(seconds=10)

    def __init__(self, name: str, channel: str, db: Db, clock: Clock, *, most: int = MOST) -> None:
        self.name, self.channel, self._most = name, channel, most
        self._db, self._clock = db, clock

    async def send_many(self, claimed: Sequence[Claimed]) -> Sequence[Outcome]:
        """All of them in one commit; a key it has seen is accepted again and kept once."""
        rows = [self._row(one) for one in claimed]
        statement = self._db.upsert(InboxMessage).on_conflict_do_nothing(index_elements=["delivery"])
        try:
            async with self._db.transaction() as conn:
                await conn.execute(statement, rows)
                await self._forget(conn)
        except Unavailable as error:
            return [Later(str(error)) for _ in claimed]  # kept once, so trying again is safe even if it was committed
        return [Accepted(one.delivery, "kept in the inbox") for one in claimed]

    async def close(self) -> None:
        """Nothing is held."""

    async def _forget(self, conn: AsyncConnection) -> None:
        """The oldest letters go: those beyond the most that are kept, and those too old."""
        newest = select(func.max(KEPT.c.id)).scalar_subquery()
        oldest = select(KEPT.c.id, KEPT.c.at).order_by(KEPT.c.id).limit(AT_ONCE).subquery()
        too_old = select(oldest.c.id).where(oldest.c.at < self._clock() - KEPT_FOR)
        await conn.execute(delete(KEPT).where(or_(KEPT.c.id <= newest - self._most, KEPT.c.id.in_(too_old))))

    def _row(self, one: Claimed) -> dict[str, object]:
        content = one.content
        return {
            "delivery": one.delivery,
            "message": one.message,
            "workspace": one.workspace,
            "profile": one.profile,
            "channel": content.channel,
            "endpoint": content.endpoint,
            "gateway": self.name,
            "at": self._clock(),
            "parts": msgspec.json.encode(dict(content.parts)).decode(),
            "raw": content.raw,
        }
