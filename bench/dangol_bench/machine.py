"""What was measured on, and when: without it a figure says nothing."""

import os
import platform
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from dangol.ports import pid_of

ROOT = Path(__file__).parent


async def told(log: str, db: str) -> dict[str, str]:
    """By name: date, revision, machine, versions."""
    said = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "machine": f"{os.cpu_count()} cores ({_processor()}), {_memory()} GiB, {platform.platform(terse=True)}",
        "python": f"{platform.python_version()} of {sys.base_prefix}",
        "sqlite": sqlite3.sqlite_version,
    }
    if db:
        said["postgresql"] = await _postgres(db)
    if log:
        said["kafka"] = _kafka(log)
    return said


async def _postgres(url: str) -> str:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        version = await connection.fetchval("SHOW server_version")
        names = ("fsync", "synchronous_commit", "shared_buffers")
        settings = {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close()
    return f"{version} ({', '.join(f'{name}={value}' for name, value in settings.items())})"


def _kafka(url: str) -> str:
    """Its version as far as its process's class path tells; the protocol does not."""
    port = url.rpartition(":")[2]
    pid = pid_of(int(port)) if port.isdigit() else None
    for jar in Path(f"/proc/{pid}/fd").glob("*") if pid else []:
        name = jar.readlink().name
        if name.startswith("kafka-clients-"):
            return name.removeprefix("kafka-clients-").removesuffix(".jar")
    return "of unknown version"


def _revision() -> str:
    """The commit of this checkout, `+` where files differ from it; empty where it is none."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
