"""The keys of links in the database: one is made at the first start, and all that ever sealed go on opening."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from dangol.db import Db
from dangol.settings import Settings
from dangol_dispatcher.edge_tables import LinkKey
from dangol_dispatcher.links import Sealer, public_url


async def open_sealer(db: Db, settings: Settings) -> Sealer:
    """The sealer of this installation: the setting's secret seals, where it is set; the database's keys open too."""
    async with db.transaction() as conn:
        now = await db.now(conn)
        await conn.execute(db.upsert(LinkKey).values(**_new(now)).on_conflict_do_nothing(index_elements=["id"]))
        kept = await conn.execute(select(col(LinkKey.secret)).order_by(col(LinkKey.id).desc()))
        stored = list(kept.scalars())
    # Several may be given while one is changed, the new one first.
    given = [text.strip().encode() for text in settings.link_secret.split(",") if text.strip()]
    return Sealer([*given, *stored], public_url(settings))


def _new(now: datetime) -> dict[str, object]:
    return {"id": 1, "secret": secrets.token_bytes(32), "made_at": now}
