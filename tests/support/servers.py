"""The tests' real servers: one of a kind, shared by every test process on the machine, gone when nobody holds it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.support import kafka, postgres
from tests.support.programs import CACHE, Unobtainable
from tests.support.server import Server

Kind = Literal["postgres", "kafka"]
KINDS = {"postgres": postgres, "kafka": kafka}
ROOT = Path(__file__).parents[2]
READY_WITHIN = 900.0  # seconds; the first time it may have to be fetched


def start(kind: Kind) -> Server:
    """A server of one test's own, to be killed and started as it likes; call `remove` at the end."""
    return Server(KINDS[kind].prepare(), KINDS[kind].answers)


@contextmanager
def shared(kind: Kind) -> Iterator[str]:
    """The URL of the shared server, which lives at least as long as this block; `Unobtainable` where there is none."""
    place = CACHE / "test-servers" / kind
    holders = place / "holders"
    holders.mkdir(parents=True, exist_ok=True)
    holder = holders / f"{os.getpid()}-{uuid.uuid4().hex}"
    try:
        with locked(place):
            holder.touch()
            url = _url_of(place) or _keep(kind, place)
        yield url
    finally:
        holder.unlink(missing_ok=True)


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Alone among all processes while the block lasts."""
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def held(place: Path) -> bool:
    """Whether a living process holds the server kept at `place`."""
    return any(_lives(int(holder.name.split("-")[0])) for holder in (place / "holders").iterdir())


def _url_of(place: Path) -> str | None:
    state = place / "state.json"
    if not state.exists():
        return None
    said = json.loads(state.read_text())
    return said["url"] if _lives(said["keeper"]) and _lives(said["server"]) else None


def _keep(kind: Kind, place: Path) -> str:
    """Have a keeper start the server, and wait for what it says."""
    _end_orphan(place)
    (place / "state.json").unlink(missing_ok=True)
    with (place / "keeper.log").open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.keeper", kind, str(place)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        if url := _url_of(place):
            keeper.returncode = 0  # it outlives us on purpose: no warning about that when this object goes
            return url
        if keeper.poll() is not None:
            break
        time.sleep(0.05)
    raise Unobtainable((place / "keeper.log").read_text().strip().splitlines()[-1])


def _end_orphan(place: Path) -> None:
    """End a server whose keeper was killed, if it is surely that server: its command names its data."""
    try:
        said = json.loads((place / "state.json").read_text())
        command = Path(f"/proc/{said['server']}/cmdline").read_text()
    except OSError:
        return
    if said["data"] and said["data"] in command:
        os.kill(said["server"], signal.SIGKILL)
        shutil.rmtree(said["data"], ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False
