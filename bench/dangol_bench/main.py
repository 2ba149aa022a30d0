"""`dangol bench`: the rows asked for, on the sides there are, one after the other; told as a table and as JSON."""

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from dangol import logs
from dangol.commands import show
from dangol.errors import DangolError, Invalid
from dangol_bench import machine, table
from dangol_bench.ground import Ground
from dangol_bench.model import Measured, Row, Side
from dangol_bench.rows import ROWS


def run(names: Sequence[str], *, side: str, log: str, db: str, quick: bool, json_file: Path | None) -> int:
    """Measure and tell; 0, or 1 where a row could not be measured. A bar that is not reached is told, not failed."""
    rows = [_row(name) for name in names] or list(ROWS.values())
    sides = _sides(side, log, db)
    logs.start("warning")
    signal.signal(signal.SIGTERM, _interrupt)
    measured: list[Measured] = []
    about = asyncio.run(machine.told(log, db)) | ({"size": "quick: smaller counts, for development"} if quick else {})
    for row in rows:
        for one in sides:
            show.err.print(f"{row.name}, {one}: {row.about} …", highlight=False)
            measured.append(asyncio.run(measure(row, Ground(one, log, db, int(quick)))))
            if json_file:  # after each: who ends us early has what there is
                _write(json_file, table.as_json(about, measured))
    table.show(show.out, about, measured)
    if Side.PRODUCTION not in sides:
        show.out.print("only the embedded side: --log and --db name a Kafka and a PostgreSQL for the other")
    return int(any(one.failed for one in measured))


def _interrupt(_number: int, _frame: object) -> None:
    """Told to end, we end as for Ctrl-C: processes, folder, database and topics of the row go with us."""
    signal.raise_signal(signal.SIGINT)


def _write(file: Path, told: dict[str, Any]) -> None:
    file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


async def measure(row: Row, ground: Ground) -> Measured:
    """One row on one side; what goes wrong in it is its result."""
    began = monotonic()
    try:
        figures = await row.measure(ground)
    except (DangolError, OSError, TimeoutError) as error:
        return Measured(row.name, ground.side, failed=str(error) or repr(error), seconds=monotonic() - began)
    return Measured(row.name, ground.side, figures, seconds=monotonic() - began)


def _row(name: str) -> Row:
    if name not in ROWS:
        raise Invalid("no_such_row", f"no row {name}", hint=f"one of {', '.join(ROWS)}")
    return ROWS[name]


def _sides(side: str, log: str, db: str) -> list[Side]:
    if side not in ("embedded", "production", "both", ""):
        raise Invalid("bad_side", f"no side {side}", hint="embedded, production or both")
    if bool(log) != bool(db):
        raise Invalid("contradiction", "--log and --db go together: the production side needs both")
    if side in ("production", "both") and not log:
        raise Invalid("no_servers", f"--side {side} needs --log kafka://… and --db postgresql://…")
    return [one for one in Side if side in (one, "both") or (not side and (log or one is Side.EMBEDDED))]
