"""One process: opens the house and its services, serves HTTP and works until told to stop, then stops in order."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

import structlog
from fastapi import APIRouter

from dangol import metrics
from dangol.clock import Clock
from dangol.db import Db
from dangol.door import Door, make_door
from dangol.front import Front
from dangol.health import Health
from dangol.http import make_app
from dangol.keys import KeyRing
from dangol.keys_api import keys_router
from dangol.service import House, Service
from dangol.settings import Settings
from dangol.stream import open_stream

ROLES = {
    "ingest": "dangol_ingest.main",
    "journey": "dangol_journey.main",
    "dispatcher": "dangol_dispatcher.main",
    "insights": "dangol_insights.main",
}
# Batches make many objects that die by themselves: the default cost a third of a worker's time.
COLLECT_AT = (50_000, 50, 50)

log = structlog.get_logger()


@asynccontextmanager
async def open_house(
    settings: Settings, db: Db, clock: Clock, inbox_only: Callable[[], bool] = lambda: False, *, embedded: bool
) -> AsyncIterator[House]:
    """The log opened over an open database, as what services are handed."""
    stream = await open_stream(settings, db, clock)
    try:
        yield House(settings=settings, db=db, stream=stream, clock=clock, embedded=embedded, inbox_only=inbox_only)
    finally:
        await stream.close()


@asynccontextmanager
async def open_services(house: House, names: Sequence[str]) -> AsyncIterator[list[Service]]:
    """The services of these roles, loaded by name; closed in reverse order."""
    async with AsyncExitStack() as stack:
        services: list[Service] = []
        for name in names:
            services.append(await stack.enter_async_context(import_module(ROLES[name]).open_service(house)))
        yield services


async def serve(
    house: House,
    services: Sequence[Service],
    listening: socket.socket,
    routers: Sequence[APIRouter] = (),
    started: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve and work until SIGTERM, SIGINT or a service's raise; then: not ready, no new requests, services, done."""
    stop = asyncio.Event()
    health = Health(services, house.stream, stop)
    keys = KeyRing(house.db, house.settings, house.clock)
    own = [keys_router(house.db, keys), health.router]
    app = make_app(keys, [*own, *routers, *(service.router for service in services)], docs_url=None, redoc_url=None)
    hot = {path: handler for service in services for path, handler in service.hot.items()}
    server = make_door(Front(app, hot))
    _stop_on_signals(stop)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_watch_the_loop())
        serving = tasks.create_task(server.serve(sockets=[listening]))
        working = [tasks.create_task(_work(service, stop)) for service in services]
        announcing = tasks.create_task(_announce(server, started))
        await stop.wait()
        await health.left_out()
        announcing.cancel()
        watching.cancel()
        server.should_exit = True
        await asyncio.gather(serving, *working)


async def _work(service: Service, stop: asyncio.Event) -> None:
    try:
        await service.run(stop)
    except BaseException:
        log.exception("service ended", action="service_failed", service=service.name)
        raise
    finally:
        stop.set()


async def _announce(server: Door, started: Callable[[], Awaitable[None]] | None) -> None:
    await server.open.wait()
    # What was made at start stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)
    gc.enable()
    if started:
        await started()


async def _watch_the_loop() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 1
        await asyncio.sleep(1)
        metrics.LOOP_LAG.set(max(0.0, loop.time() - due))


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
