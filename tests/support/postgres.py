"""A real PostgreSQL for the tests: the machine's own, else Docker's, else Debian's package."""

import os
import pwd
import shutil
import signal
import tempfile
import uuid
from pathlib import Path

import asyncpg

from tests.support.programs import Unobtainable, apt_install, docker_answers, first_that_works, run, version_of
from tests.support.server import Launch, free_port, quietly

OLDEST = 15
IMAGE = "postgres:15"
# Tests kill processes, never the power: the bytes may stay in the page cache.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


def prepare() -> Launch:
    """A PostgreSQL to start; `Unobtainable` when there is no way to one."""
    return first_that_works([_installed, _docker, _debian], f"PostgreSQL {OLDEST}+")


async def answers(url: str) -> None:
    """Return when a query works; raises OSError or a PostgreSQL error until then."""
    connection = await asyncpg.connect(url, timeout=5)
    await connection.execute("SELECT 1")
    await connection.close()


def create_database(server: str, name: str, template: str | None = None) -> str:
    """A new database on `server` (a URL) and its URL. Blocks: not for use on a running loop."""
    like = f' TEMPLATE "{template}"' if template else ""
    quietly(_execute(server, f'CREATE DATABASE "{name}"{like}'))
    return server.rsplit("/", 1)[0] + f"/{name}"


def drop_database(server: str, name: str) -> None:
    """Remove a database together with whoever is still connected to it."""
    quietly(_execute(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _installed() -> Launch:
    programs = _programs()
    if programs is None:
        raise Unobtainable(f"no postgres {OLDEST}+ installed")
    return _cluster(programs)


def _debian() -> Launch:
    apt_install("postgresql")
    return _installed()


def _docker() -> Launch:
    if not docker_answers():
        raise Unobtainable("no Docker daemon answers")
    run(["docker", "pull", "-q", IMAGE], timeout=600)
    port, name = free_port(), f"dangol-postgres-{uuid.uuid4().hex[:8]}"
    place = ("--name", name, "-v", f"{name}:/var/lib/postgresql/data", "-p", f"127.0.0.1:{port}:5432")
    ours = {key: value for key, value in SETTINGS.items() if key not in ("listen_addresses", "unix_socket_directories")}
    trusting = ("-e", "POSTGRES_HOST_AUTH_METHOD=trust")
    command = ("docker", "run", "--rm", *place, *trusting, IMAGE, *_options(ours))
    return Launch(command, url=_url(port), stop=signal.SIGINT, container=name)


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin: int(bin.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    places = [*found, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((place for place in places if version_of(str(place / "postgres"), "--version") >= OLDEST), None)


def _cluster(programs: Path) -> Launch:
    data, port, user = Path(tempfile.mkdtemp(prefix="dangol-postgres-")), free_port(), _unprivileged()
    if user:
        shutil.chown(data, user)
    cluster = ["-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    run([str(programs / "initdb"), *cluster], timeout=120, cwd=data, user=user)
    command = (str(programs / "postgres"), "-D", str(data), "-p", str(port), *_options(SETTINGS))
    return Launch(command, url=_url(port), stop=signal.SIGINT, data=data, user=user)


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as instead."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _options(settings: dict[str, str]) -> list[str]:
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _url(port: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"
