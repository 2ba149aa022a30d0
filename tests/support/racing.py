"""How often races are run: a few times in the suite, as often as `DANGOL_RACES` says by `just races`."""

import asyncio
import os
import random
from typing import Any

from sqlalchemy import event
from sqlalchemy.util import await_only

from dangol.db import Db

TIMES = int(os.environ.get("DANGOL_RACES", "1"))
SEED = int(os.environ.get("DANGOL_SEED", "1"))


def chance(name: str) -> random.Random:
    """Numbers of chance for one test, the same for the same seed."""
    return random.Random(f"{SEED}:{name}")


def stumbling(db: Db, fate: random.Random, at_most: float = 0.01) -> None:
    """From now on one statement in ten waits so many seconds at most, as over a bad network: transactions that meet do
    so in many ways. On SQLite no two meet."""
    if db.dialect == "postgresql":

        def wait(*_statement: Any) -> None:
            if fate.random() < 0.1:
                await_only(asyncio.sleep(fate.uniform(0, at_most)))

        event.listen(db._engine.sync_engine, "before_cursor_execute", wait)
