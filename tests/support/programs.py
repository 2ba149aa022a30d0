"""How a machine gets the programs the tests need: found on it, run in Docker, or from its package registry."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict, TypeVar

T = TypeVar("T")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dangol"


class Unobtainable(Exception):
    """A program the tests need can't be had on this machine; the message says why."""


def first_that_works(ways: Sequence[Callable[[], T]], what: str) -> T:
    """The first way's answer that is no `Unobtainable`; else one `Unobtainable` with every reason."""
    reasons = []
    for way in ways:
        try:
            return way()
        except Unobtainable as reason:
            reasons.append(str(reason))
    raise Unobtainable(f"no {what}: " + "; ".join(reasons))


@cache
def docker_answers() -> bool:
    """Whether a Docker daemon (not only its client) is there."""
    if not shutil.which("docker"):
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def apt_install(*packages: str) -> None:
    """Install Debian packages without starting their daemons; `Unobtainable` unless root on a Debian."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unobtainable(f"apt-get install {' '.join(packages)} needs root on Debian or Ubuntu")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    for command in ([*apt, "update"], install):
        run(command, timeout=600, environment=environment)


def run(
    command: Sequence[str],
    timeout: float,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> str:
    """The command's output; `Unobtainable` with the end of what it said when it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            cwd=cwd,
            check=False,
            **identity(user),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unobtainable(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise Unobtainable(f"{' '.join(command[:3])} …: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout + done.stderr


class Identity(TypedDict, total=False):
    """Whom a child process runs as, in the words of subprocess."""

    user: int
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """The identity of a user by name; ours for None."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def version_of(program: str, *ask: str) -> int:
    """The major version a program tells of itself, 0 when it tells none."""
    found = re.search(r"(\d+)[.\d]*", run([program, *ask], timeout=30))
    return int(found[1]) if found else 0
