"""A house to test a service in: real SQLite, the embedded log, the two keys of its settings, an HTTP client."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI

from dangol.clock import Clock, utc_now
from dangol.codec import decode_decision, decode_event
from dangol.db import open_db
from dangol.decisions import Decision
from dangol.events import Event
from dangol.http import make_app
from dangol.keys import Key, KeyKind, KeyRing, create_key
from dangol.migrate import migrate
from dangol.service import House, Service
from dangol.settings import read_settings
from dangol.stream import Record, Stream, open_stream
from dangol.topics import Topic

T = TypeVar("T")
WRITE, SECRET = "write-key", "secret-key"


@asynccontextmanager
async def open_house(place: Path, clock: Clock = utc_now, **settings: object) -> AsyncIterator[House]:
    """A migrated database at `place` with its log, and the keys `WRITE` and `SECRET`."""
    read = read_settings({}, data=str(place), write_key=WRITE, secret_key=SECRET, member="tester", **settings)
    db = await open_db(read.db, clock)
    try:
        await migrate(db)
        stream = await open_stream(read, db, clock)
        try:
            yield House(settings=read, db=db, stream=stream, clock=clock)
        finally:
            await stream.close()
    finally:
        await db.close()


@asynccontextmanager
async def at_work(opening: AbstractAsyncContextManager[Service]) -> AsyncIterator[Service]:
    """A service opened and working in the background, until the block ends."""
    async with opening as service:
        stop = asyncio.Event()
        working = asyncio.create_task(service.run(stop))
        yield service
        stop.set()
        await working


def app_of(house: House, *routers: APIRouter) -> FastAPI:
    """An app as a process makes it."""
    return make_app(KeyRing(house.db, house.settings, house.clock), routers)


@asynccontextmanager
async def client_of(app: FastAPI, key: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the app, without a network; `key` is its bearer."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://dangol.test", headers=headers) as client:
        yield client


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app on a free port of loopback, by its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def until(true: Callable[[], bool], within: timedelta = timedelta(seconds=20)) -> None:
    """Return when the condition holds; raises `TimeoutError`."""
    async with asyncio.timeout(within.total_seconds()):
        while not true():  # noqa: ASYNC110 - any condition, also one that has no event
            await asyncio.sleep(0.005)


async def key_of(
    house: House, kind: KeyKind, workspace: str = "default", scopes: Sequence[str] = ()
) -> tuple[str, Key]:
    """A new key, its text first."""
    async with house.db.transaction() as conn:
        return await create_key(house.db, conn, workspace, kind, scopes=scopes)


async def events_of(stream: Stream) -> list[Event]:
    """Every event in the log."""
    return [decode_event(record.value) for record in await records_of(stream, Topic.EVENTS)]


async def decisions_of(stream: Stream) -> list[Decision]:
    """Every decision in the log."""
    return [decode_decision(record.value) for record in await records_of(stream, Topic.DECISIONS)]


async def records_of(stream: Stream, topic: Topic) -> list[Record]:
    """Every record of a topic of an embedded log, from the start."""
    reader = stream.reader(topic, "test", "test", _nothing)
    await reader.start()
    reader.seek(0, 0)
    found: list[Record] = []
    while page := await reader.read(1000, timedelta(0)):
        found += page
    await reader.close()
    return found


async def _nothing(_partitions: object) -> None:
    return None
