"""Which database the archive is in: the one `DANGOL_ARCHIVE` names, else the state's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from dangol.db import Db, open_db
from dangol.errors import Invalid
from dangol.migrate import migrate
from dangol.service import House
from dangol_insights import archive

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_archive(house: House) -> AsyncIterator[Db]:
    """The archive's database, its tables made. An archive that was begun beside an embedded state stays there.

    Raises `Invalid` where `DANGOL_ARCHIVE` would leave one behind that others read.
    """
    named = house.settings.archive
    if named in ("", house.settings.db) or await _begun(house):
        yield house.db
        return
    db = await open_db(named, house.clock, name="dangol-archive")
    try:
        await migrate(db)
        yield db
    finally:
        await db.close()


async def _begun(house: House) -> bool:
    async with house.db.transaction() as conn:
        newest = await archive.newest_number(conn)
    if not newest.events and not newest.decisions:
        return False
    if house.settings.embedded:
        log.info("the archive stays in the state's database, where it was begun", action="archive_stays")
        return True
    raise Invalid(
        "contradiction",
        "DANGOL_ARCHIVE names a database, and the one of DANGOL_DB has an archive already",
        where="DANGOL_ARCHIVE",
        hint="leave DANGOL_ARCHIVE out, or move the rows of archive_event, archive_decision and position there first",
    )
