"""Keeps one shared test server: starts it, says where it is, and stops it when nobody has held it for a while."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.support.programs import Unobtainable
from tests.support.server import Server
from tests.support.servers import Kind, held, locked, start

LINGERS = 10.0  # seconds without a holder: the next run in a row finds it warm
AT_MOST = 6 * 3600.0  # seconds of life, whoever holds it


def keep(kind: Kind, place: Path) -> None:
    """Run the server until it is abandoned, dies or is too old."""
    server = start(kind)
    try:
        data = str(server.launch.data or "")
        _say(place, {"url": server.url, "keeper": os.getpid(), "server": server.process.pid, "data": data})
        _wait_until_abandoned(server, place)
    finally:
        server.remove()


def _wait_until_abandoned(server: Server, place: Path) -> None:
    born = last_held = time.monotonic()
    while server.alive() and time.monotonic() < born + AT_MOST:
        time.sleep(0.5)
        if held(place):
            last_held = time.monotonic()
        elif time.monotonic() > last_held + LINGERS and _given_up(place):
            return


def _given_up(place: Path) -> bool:
    """Withdraw the address, unless somebody took hold in this moment."""
    with locked(place):
        if held(place):
            return False
        (place / "state.json").unlink(missing_ok=True)
        return True


def _say(place: Path, state: dict[str, str | int]) -> None:
    written = place / "state.new"
    written.write_text(json.dumps(state))
    written.rename(place / "state.json")


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        keep("kafka" if sys.argv[1] == "kafka" else "postgres", Path(sys.argv[2]))
    except Unobtainable as reason:
        sys.exit(str(reason).replace("\n", " "))
