"""Clients that hold our connections, processes that are told to end, and a machine that is lost."""

import asyncio
import hashlib
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest

from dangol.door import Door, DoorConfig
from dangol_ingest.main import open_service as open_ingest
from tests.contract.conftest import Ground
from tests.crash.ground import program
from tests.crash.programs.checker import lines
from tests.faults.conftest import entered, running
from tests.support.fleet import Fleet, Role
from tests.support.house import WRITE, app_of
from tests.support.ingesting import house_of
from tests.support.posts import call
from tests.support.product import Product, eventually


@asynccontextmanager
async def doored(ground: Ground, **limits: Any) -> AsyncIterator[tuple[str, int]]:
    """An ingest behind our own door, on a free port of loopback."""
    house = house_of(ground.settings, ground.db, ground.stream)
    async with open_ingest(house) as ingest:
        listening = socket.create_server(("127.0.0.1", 0))
        door = Door(DoorConfig(app_of(house, ingest.router), **limits))
        serving = asyncio.create_task(door.serve(sockets=[listening]))
        await door.open.wait()
        try:
            yield "127.0.0.1", listening.getsockname()[1]
        finally:
            door.should_exit = True
            await serving
            listening.close()


HEAD = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: write-key\r\n"


@pytest.mark.parametrize("begun", [b"", b"POST", HEAD, HEAD + b"Content-Length: 50\r\n\r\n{"])
async def test_case_108_a_client_that_sends_little_is_cut_off(ground: Ground, begun: bytes) -> None:
    """Caught: no timer on a new connection."""
    async with doored(ground, most=100, head_within=0.3, silent_for=0.3) as at, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*at)
        writer.write(begun)
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_case_108_a_head_that_trickles_is_cut_off_and_a_body_is_not(ground: Ground) -> None:
    """Of a connection's second request as of its first. Caught: a timer that every byte winds up again."""
    body = msgspec.json.encode(call())
    async with doored(ground, most=100, head_within=0.3, silent_for=0.3) as at, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*at)
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode())
        for n in range(0, len(body), 10):
            writer.write(body[n : n + 10])
            await asyncio.sleep(0.05)  # in all longer than it may be silent
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        answer = asyncio.create_task(reader.read())
        for byte in HEAD:
            if answer.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        else:
            pytest.fail("it may trickle to its end")
        assert b"HTTP/1.1 408" in await answer
        writer.close()


async def test_case_108_more_clients_than_there_is_room_for(ground: Ground) -> None:
    """Caught: connections that are not counted."""
    async with doored(ground, most=20) as at, asyncio.timeout(20):
        slow = [await asyncio.open_connection(*at) for _ in range(50)]
        answers = await asyncio.gather(*(reader.read() for reader, _ in slow[20:]))
        assert all(answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in answer for answer in answers)
        for _, writer in slow:
            writer.close()
        async with httpx2.AsyncClient(base_url=f"http://{at[0]}:{at[1]}", trust_env=False) as client:
            headers = {"X-Write-Key": WRITE}
            while (await client.post("/v1/track", json=call(), headers=headers)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """`dangol up`; a test starts it anew that needs it otherwise."""
    with running(tmp_path_factory.mktemp("up"), {}) as fleet:
        yield fleet


def test_case_108_few_descriptors_and_a_thousand_slow_clients(up: Fleet) -> None:
    """Caught: room for more connections than descriptors."""
    role = up.roles["up"]
    role.end()
    role.start()
    assert role.running
    resource.prlimit(role.running.pid, resource.RLIMIT_NOFILE, (256, 256))
    role.ready()
    at = urlsplit(role.url)
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection((at.hostname, at.port or 0), timeout=20)) for _ in range(1000)
        ]
        for one in slow:
            with suppress(OSError):
                one.sendall(HEAD)
        refused = sum(_refused(one) for one in slow[200:])
        assert refused == 800
        assert role.alive
    eventually(lambda: up.product.post(call())["accepted"] == 1)
    role.restart()
    role.ready()


def _refused(client: socket.socket) -> bool:
    try:
        return client.recv(1000).startswith(b"HTTP/1.1 503")
    except ConnectionResetError:  # it was written to after the answer
        return True


def test_case_101_sigterm_under_load(up: Fleet, tmp_path: Path) -> None:
    """Caught: the door shut at once."""
    role, product = up.roles["up"], up.product
    poster = program("poster", product.url, product.write_key, "300", "0", "1", str(tmp_path / "accepted"))
    said: list[int] = []
    watching = threading.Thread(target=_watch, args=(role, said))
    watching.start()
    eventually(lambda: len(lines(tmp_path / "accepted")) >= 50 and len(said) > 2)
    assert role.running
    role.running.send_signal(signal.SIGTERM)
    assert role.running.wait(30) == 0
    watching.join()
    assert said[-1] == 503, "not ready ahead of the end"
    assert set(said[:-1]) <= {200, 503}
    role.start()
    role.ready()
    _all_entered_once(product, poster, tmp_path / "accepted", 300)


def _watch(role: Role, said: list[int]) -> None:
    """Ask whether it is ready, on a new connection each time, until nobody answers."""
    with suppress(httpx2.TransportError):
        while True:
            said.append(httpx2.get(f"{role.url}/healthz/ready", timeout=10, trust_env=False).status_code)
            time.sleep(0.02)


def test_case_102_sigterm_and_a_second_later_sigkill(up: Fleet, tmp_path: Path) -> None:
    """It waits for those who watch it to ask again, and they don't: so the kill meets it stopping.

    Caught: the door shut at once; the client's id not taken.
    """
    role, product = up.roles["up"], up.product
    poster = program("poster", product.url, product.write_key, "300", "0", "1", str(tmp_path / "accepted"))
    for _ in range(2):
        assert httpx2.get(f"{role.url}/healthz/ready", trust_env=False).status_code == 200
    eventually(lambda: len(lines(tmp_path / "accepted")) >= 50)
    assert role.running
    role.running.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        role.running.wait(1)
    role.restart()
    role.ready()
    _all_entered_once(product, poster, tmp_path / "accepted", 300)


def _all_entered_once(product: Product, poster: subprocess.Popen[bytes], ledger: Path, events: int) -> None:
    assert poster.wait(120) == 0
    accepted = {one["user"]: 1 for one in lines(ledger)}
    assert len(accepted) == events
    eventually(lambda: _of(accepted, entered(product)) == accepted)


def _of(people: Iterable[str], counts: Counter[str]) -> dict[str, int]:
    return {user: counts[user] for user in people}


def test_case_109_the_restore_drill(up: Fleet, tmp_path: Path) -> None:
    """A copy taken while it runs; then the machine is lost. What the copy has is compared by the product's own ledgers,
    and by a sum over every table; clients who do not know post all of it again. Caught: the client's id not taken."""
    role, product = up.roles["up"], up.product
    poster = program("poster", product.url, product.write_key, "200", "0", "1", str(tmp_path / "accepted"))
    _all_entered_once(product, poster, tmp_path / "accepted", 200)
    database = product.place / "data" / "dangol.db"
    with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        live.backup(copy)
    before = entered(product)
    role.kill()
    lost = _sums(database)
    for file in database.parent.glob("dangol.db*"):
        file.unlink()
    shutil.copy(tmp_path / "copy.db", database)
    assert _sums(database) == lost
    role.start()
    role.ready()
    assert entered(product) == before
    told = [(one["user"], one["id"]) for one in lines(tmp_path / "accepted")] + [("after", "after")]
    again = [{"type": "track", "event": "Joined", "userId": user, "messageId": id} for user, id in told]
    product.post({"batch": again}, "/v1/batch")
    eventually(lambda: entered(product)["after"] == 1)
    assert entered(product) == before | {"after": 1}


def _sums(database: Path) -> dict[str, str]:
    """Of each table, a sum over its rows."""
    with closing(sqlite3.connect(database)) as conn:
        names = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        every = {name: sorted(map(repr, conn.execute(f'SELECT * FROM "{name}"'))) for name in names}
    return {name: hashlib.sha256("\n".join(found).encode()).hexdigest() for name, found in every.items()}
