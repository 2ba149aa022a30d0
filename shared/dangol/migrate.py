"""The schema: every service's tables, brought to this version of the code, one process at a time."""

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, inspect, text

from dangol.db import Db, open_db
from dangol.settings import read_settings

if TYPE_CHECKING:  # Alembic is a tenth of a start, and hardly ever needed there
    from alembic.config import Config

log = structlog.get_logger(__name__)
TABLE_MODULES = (
    "dangol.tables",
    "dangol_journey.tables",
    "dangol_dispatcher.tables",
    "dangol_insights.tables",
)
REVISIONS = Path(__file__).with_name("migrations") / "versions"
LOCK = 0x6D696772  # "migr": the advisory lock of who migrates


async def migrate(db: Db) -> None:
    """Bring an open database's schema up to date, whole or not at all; several processes may call it at once.

    On PostgreSQL no statement waits longer than 2 s for a table's lock: then it raises `Unavailable`, nothing is
    changed, and it can be tried again.
    """
    async with db.transaction() as conn:
        if db.dialect == "postgresql":
            await conn.execute(text("SET LOCAL lock_timeout = '60s'"))
            await conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            await conn.execute(text("SET LOCAL lock_timeout = '2s'"))
        await conn.run_sync(_upgrade)


async def from_settings() -> None:
    """Bring the schema of `DANGOL_DB`, and of `DANGOL_ARCHIVE` where that is another, up to date."""
    settings = read_settings()
    for url in dict.fromkeys((settings.db, settings.archive or settings.db)):
        db = await open_db(url, lambda: datetime.now(UTC), longest=None)  # an index may take its time
        try:
            await migrate(db)
        finally:
            await db.close()


def load_tables() -> None:
    """Import every table module there is; a service that is not there has no tables."""
    for name in TABLE_MODULES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (error.name and name.startswith(error.name)):
                raise


def configuration(connection: Connection | None = None) -> "Config":
    """Alembic's configuration for our revisions, over an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def _is_newest(connection: Connection) -> bool:
    """Whether there is nothing to do, as at almost every start: then Alembic is not even loaded."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    newest = max(path.name for path in REVISIONS.glob("v[0-9]*.py"))
    return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars()) == [newest[1:5]]


def _upgrade(connection: Connection) -> None:
    if _is_newest(connection):
        return
    from alembic import command
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    newer = set(MigrationContext.configure(connection).get_current_heads()) - known
    if newer:  # a release only adds what this one can live with: during a rolling upgrade both run
        log.warning("the schema is of a newer release", action="schema_is_newer", revisions=sorted(newer))
        return
    command.upgrade(config, "head")
