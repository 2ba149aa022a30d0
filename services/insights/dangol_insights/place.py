"""Which database the archive is in: the one `DANGOL_ARCHIVE` names, else the state's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from sqlalchemy.engine import make_url

from dangol import positions
from dangol.db import Db, open_db
from dangol.errors import Invalid
from dangol.migrate import migrate
from dangol.service import House
from dangol_insights.model import GROUP

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_archive(house: House) -> AsyncIterator[Db]:
    """The archive's database, its tables made. One that was begun beside an embedded state stays there, unless the one
    named has begun too.

    Raises `Invalid` where `DANGOL_ARCHIVE` would leave one behind that others read.
    """
    named = house.settings.archive
    if named in ("", house.settings.db):
        yield house.db
        return
    begun = await _begun(house.db)
    if begun and _alone(house):
        yield house.db
        return
    db = await open_db(named, house.clock, name="dangol-archive")
    try:
        await migrate(db)
        if begun and not await _begun(db):  # an empty file, as a backup of none leaves one
            yield house.db
            return
        await _begin_apart(house, db, begun)
        yield db
    finally:
        await db.close()


async def _begun(db: Db) -> bool:
    async with db.transaction() as conn:
        return await positions.has_begun(conn, GROUP)


def _alone(house: House) -> bool:
    """Whether the archive beside the state is the only one there is."""
    url = make_url(house.settings.archive)
    if not house.settings.embedded:
        raise Invalid(
            "contradiction",
            "DANGOL_ARCHIVE names a database, and the one of DANGOL_DB has an archive already",
            where="DANGOL_ARCHIVE",
            hint="leave DANGOL_ARCHIVE out, or move archive_event, archive_decision and insights' positions first",
        )
    return url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists())


async def _begin_apart(house: House, db: Db, begun: bool) -> None:
    """No position is beyond the log's end, and the state's database, where one had `begun`, says nothing of it.

    Log and archive commit apart: a power cut may take back the log's end, and leave the position that was saved of it.
    What was lost is done again, from where the log ended when it was opened.
    """
    if house.stream.end_when_opened is None:
        return
    async with db.transaction() as conn:
        await positions.set_back(conn, GROUP, house.stream.end_when_opened)
    if begun:
        log.warning("two archives: the one named is used, not the one beside the state", action="two_archives")
        async with house.db.transaction() as conn:
            await positions.forget_group(conn, GROUP)
