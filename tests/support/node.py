"""The official JavaScript event clients, installed once a lock file into a cache folder."""

import fcntl
import hashlib
import shutil
from pathlib import Path

from tests.support.programs import CACHE, Unobtainable, apt_install, run, version_of

WANTED = Path(__file__).parents[1] / "e2e" / "node"
OLDEST = 18


def install() -> Path:
    """The folder with the clients' node_modules; `Unobtainable` where Node.js 18+ and npm are not to be had."""
    if not shutil.which("npm") or not shutil.which("node"):
        apt_install("nodejs", "npm")
    if version_of("node", "--version") < OLDEST:
        raise Unobtainable(f"Node.js is older than {OLDEST}")
    files = [WANTED / "package.json", WANTED / "package-lock.json"]
    place = CACHE / f"node-{_fingerprint(files)}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            _install(files, place)
    return place


def _install(files: list[Path], place: Path) -> None:
    for file in files:
        shutil.copy(file, place)
    # not `npm ci`: it refuses the lock where a registry lacks another platform's optional binary
    run(["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"], timeout=600, cwd=place)
    (place / "installed").touch()


def _fingerprint(files: list[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
