"""`dangol up`: all roles in one process, over one SQLite file, with a folder of definitions applied and watched."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import msgspec
from watchfiles import Change, awatch

from dangol import logs, metrics
from dangol.banner import Banner
from dangol.clock import MovingClock
from dangol.commands import show
from dangol.commands.starter_files import STARTER
from dangol.db import Db, open_db
from dangol.definitions import number
from dangol.documents import read_dir
from dangol.errors import DangolError, Invalid, Unavailable
from dangol.forward import Forward, saved_ahead
from dangol.forward_api import clock_router
from dangol.machine_keys import keep_keys, register_browser_key
from dangol.migrate import migrate
from dangol.ports import holder
from dangol.problems import Problem
from dangol.process import ROLES, open_house, open_services, serve
from dangol.publishing import is_definition, publish_checked, workspace_of
from dangol.role import listen
from dangol.service import Service
from dangol.settings import Settings, read_settings

SAVED_TOGETHER = 300  # milliseconds: an editor's several writes are one save


@dataclass(frozen=True)
class Watched:
    """The folder that is applied, and whether it is watched (the starter inside the package is not)."""

    directory: Path
    watch: bool


async def run(directory: Path | None, *, host: str, port: int, data: Path) -> None:
    """Run until SIGINT or SIGTERM; raises `Unavailable` where the port or the data folder is taken."""
    started_at = monotonic()
    watched = _watched(directory)
    keys = keep_keys(data)
    settings = _settings(keys, host=host, port=port, data=data)
    logs.start(settings.log_level)
    with _listening(settings) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}"
        clock = MovingClock()
        db = await open_db(settings.db, clock)
        try:
            await _prepare(db, clock, keys, settings)
            _serve_metrics(settings)
            await _live(
                db, clock, settings, listening, watched, Banner(address, keys, watched.directory, data, started_at)
            )
        finally:
            await db.close()


async def _prepare(db: Db, clock: MovingClock, keys: dict[str, str], settings: Settings) -> None:
    await migrate(db)
    clock.ahead = await saved_ahead(db)
    async with db.transaction() as conn:
        await register_browser_key(db, conn, settings.workspace, keys["DANGOL_BROWSER_KEY"])


def _serve_metrics(settings: Settings) -> None:
    """On this machine only; a second product here goes on without."""
    try:
        metrics.serve(settings.metrics_port, "127.0.0.1")
    except OSError:
        who = holder(settings.metrics_port)
        show.err.print(f"no metrics: port {settings.metrics_port} is taken by {who}; DANGOL_METRICS_PORT names another")


async def _live(
    db: Db, clock: MovingClock, settings: Settings, listening: socket.socket, watched: Watched, banner: Banner
) -> None:
    services: list[Service] = []
    forward = Forward(clock, lambda: services, db)
    async with open_house(settings, db, clock, forward.inbox_only, embedded=True) as house:
        await _apply_at_start(db, watched)
        async with open_services(house, list(ROLES)) as opened, _watching(db, watched):
            services.extend(opened)
            await serve(house, services, listening, [clock_router(forward, settings)], banner.show)


async def _apply_at_start(db: Db, watched: Watched) -> None:
    """The named folder; without one what was published here stays in force, and a new product gets the starter."""
    if not watched.watch:
        async with db.transaction() as conn:
            if await number(conn):
                return
    await apply(db, watched.directory)


async def apply(db: Db, directory: Path) -> bool:
    """Publish the folder and print all that is wrong with it; False when nothing was published."""
    documents, found = await asyncio.to_thread(read_dir, directory)
    published = await publish_checked(db, workspace_of(documents), documents, by="up", found=found)
    _print(published.problems, directory)
    return not published.refused


def _print(found: Sequence[Problem], directory: Path) -> None:
    if show.problems((msgspec.to_builtins(problem) for problem in found), directory):
        show.err.print(f"{directory}: not published; what was in force before stays in force")


@asynccontextmanager
async def _watching(db: Db, watched: Watched) -> AsyncIterator[None]:
    if not watched.watch:
        yield
        return
    stop = asyncio.Event()
    task = asyncio.create_task(_apply_saved(db, watched.directory, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _apply_saved(db: Db, directory: Path, stop: asyncio.Event) -> None:
    def wanted(_change: Change, path: str) -> bool:
        return is_definition(Path(path))

    async for changed in awatch(directory, watch_filter=wanted, stop_event=stop, debounce=SAVED_TOGETHER, step=50):
        names = ", ".join(sorted({Path(path).name for _, path in changed}))
        try:
            if await apply(db, directory):
                show.out.print(f"in force: {names}")
        except DangolError as error:
            show.refusal(str(error))


def _watched(directory: Path | None) -> Watched:
    if directory is None:
        return Watched(STARTER, watch=False)
    if not directory.is_dir():
        raise Invalid(
            "no_folder", f"{directory} is not a folder", hint=f"dangol init {directory} writes a starter there"
        )
    return Watched(directory, watch=True)


def _settings(keys: dict[str, str], *, host: str, port: int, data: Path) -> Settings:
    file = f"sqlite:///{data}/dangol.db"
    known = {
        name.removeprefix("DANGOL_").lower(): value for name, value in keys.items() if name != "DANGOL_BROWSER_KEY"
    }
    defaults = {
        "DANGOL_LOG_LEVEL": "warning",
        "DANGOL_PUBLIC_URL": f"http://{host}:{port}",
        "DANGOL_ARCHIVE": f"sqlite:///{data}/archive.db",  # a connection, and a core, of its own
    }
    environment = defaults | dict(os.environ)
    return read_settings(environment, **known, db=file, log=file, host=host, port=port, data=str(data))


def _listening(settings: Settings) -> socket.socket:
    try:
        return listen(settings)
    except Unavailable as error:
        who = holder(settings.port)
        hint = f"choose another: dangol up --port {settings.port + 1}"
        raise Invalid("port_taken", f"port {settings.port} is taken by {who}", hint=hint) from error
