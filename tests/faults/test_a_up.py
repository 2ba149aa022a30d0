"""What is posted to real processes while they are killed, the disk is full, the power goes, or too much comes."""

import asyncio
import itertools
import os
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest

from dangol.settings import read_settings
from dangol_ingest.admission import BURST
from tests.contract.conftest import open_ground
from tests.crash.ground import program
from tests.crash.programs.checker import lines
from tests.faults.conftest import entered, running
from tests.faults.test_a_ingest import entered_each_time
from tests.support.databases import postgres_database
from tests.support.fleet import Fleet, Role
from tests.support.house import WRITE
from tests.support.posts import call
from tests.support.product import Product, eventually, free_port

RATE = 400  # events a second


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """`dangol up` that admits `RATE` events a second, and started again once a test has ended it."""
    with running(tmp_path_factory.mktemp("up"), {"DANGOL_INGEST_RATE": str(RATE)}) as fleet:
        yield fleet


def posted_by_another(product: Product, events: int, ledger: Path) -> subprocess.Popen[bytes]:
    """A process that posts `Joined` until each is accepted, and then once more now and then."""
    return program("poster", product.url, product.write_key, str(events), "0", "1", str(ledger))


def heard(product: Product, id: str) -> None:
    """Post one event until it is accepted, and return at the moment the first of that answer is here."""
    body = msgspec.json.encode(call(event="Joined", userId=id, messageId=id))
    head = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: {product.write_key}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    at = urlsplit(product.url)
    while True:
        with socket.create_connection((at.hostname, at.port or 0), timeout=20) as door:
            door.sendall(head.encode() + body)
            if door.recv(12) == b"HTTP/1.1 200":
                return


def test_case_1_up_is_killed_again_and_again_while_events_come(up: Fleet, tmp_path: Path) -> None:
    """10,000 events and 200 kills in the long form: `just crash`. Here each kill is at the moment of an answer.

    Caught: an answer before the commit; the client's id not taken.
    """
    role, chance = up.roles["up"], Random(1)
    poster = posted_by_another(up.product, 300, tmp_path / "accepted")
    own = {f"heard-{n}": 1 for n in range(2)}
    for id in own:
        time.sleep(chance.uniform(0.05, 0.3))  # so that it is in the middle of something
        heard(up.product, id)
        role.restart()
        role.ready()
    assert poster.wait(120) == 0
    accepted = {one["user"]: 1 for one in lines(tmp_path / "accepted")} | own
    assert len(accepted) == 302
    eventually(lambda: _of(accepted, entered(up.product)) == accepted)


def _of(people: Iterable[str], counts: Counter[str]) -> dict[str, int]:
    return {user: counts[user] for user in people}


@pytest.fixture
def separate(
    kafka_url: str, migrated_postgres: str, postgres_server: str, topic_prefix: str
) -> Iterator[dict[str, object]]:
    """Settings of a log and a database of two servers."""
    with postgres_database(postgres_server, migrated_postgres) as url:
        yield {"log": kafka_url, "db": url, "topic_prefix": topic_prefix, "partitions": 2}


async def test_case_1_and_case_101_an_ingest_of_its_own_is_killed_and_ended_while_events_come(
    separate: dict[str, object], tmp_path: Path
) -> None:
    """Killed at the moment of an answer. Caught: an answer before Kafka's."""
    ground = await open_ground(read_settings({}, **separate))
    environment = {f"DANGOL_{name.upper()}": str(value) for name, value in separate.items()}
    port = free_port()
    environment |= {"DANGOL_PORT": str(port), "DANGOL_METRICS_PORT": "0", "DANGOL_WRITE_KEY": WRITE}
    role = Role("ingest", ["ingest"], tmp_path, environment, f"http://127.0.0.1:{port}")
    try:
        await asyncio.to_thread(_post_and_kill, role, tmp_path / "accepted")
        assert len(lines(tmp_path / "accepted")) == 200
        await entered_each_time(ground, "Joined", 201)
    finally:
        role.end()
        await ground.close()


def _post_and_kill(role: Role, ledger: Path) -> None:
    role.start()
    role.ready()
    product = Product(role.url, role.place, WRITE, "", "", embedded=False)
    poster, chance = posted_by_another(product, 200, ledger), Random(2)
    for stopped in (role.kill, role.end):
        time.sleep(chance.uniform(0.02, 0.2))
        if stopped == role.kill:
            heard(product, "heard")
        assert stopped() in (None, 0)
        role.start()
        role.ready()
    assert poster.wait(120) == 0


def test_case_12_the_disk_is_full_and_then_has_room_again(tmp_path: Path) -> None:
    """A tmpfs of 8 MB. Caught: what SQLite raises for a full disk called a bug."""
    data = tmp_path / "data"
    data.mkdir()
    with small_disk(data, "8m"), running(tmp_path, {}) as fleet:
        accepted, refused = _fill(fleet.product)
        assert accepted
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert fleet.roles["up"].alive
        assert httpx2.get(f"{fleet.product.url}/healthz/live", trust_env=False).status_code == 200
        _mounted(data, "32m", "remount")
        eventually(lambda: _batch_of(fleet.product, "after").status_code == 200)
        people = {f"{batch}-{n}": 1 for batch in [*accepted, "after"] for n in range(20)}
        eventually(lambda: _of(people, entered(fleet.product)) == people)
        assert fleet.roles["up"].alive


def _fill(product: Product) -> tuple[list[str], httpx2.Response]:
    """Post until it is refused: the batches that were accepted, and the refusal."""
    accepted: list[str] = []
    for n in range(200):
        answer = _batch_of(product, f"b{n}")
        if answer.status_code != 200:
            return accepted, answer
        accepted.append(f"b{n}")
    raise AssertionError("the disk does not fill")


def _batch_of(product: Product, name: str) -> httpx2.Response:
    users = [f"{name}-{n}" for n in range(20)]
    batch = [call(event="Joined", userId=user, messageId=user, properties={"much": "x" * 10_000}) for user in users]
    with httpx2.Client(base_url=product.url, auth=(product.write_key, ""), timeout=20, trust_env=False) as client:
        return client.post("/v1/batch", json={"batch": batch})


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A file system of its own at `place`."""
    if os.geteuid() != 0 or not _mounted(place, size):
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _mounted(place: Path, size: str, *options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_case_13_the_power_goes_out_at_any_moment(up: Fleet, tmp_path: Path) -> None:
    """Database and WAL are copied as they lie at the moment of an answer, while no instruction runs; of the WAL's end,
    which nobody was told to be durable, some is torn off or spoilt as well. Caught: an answer before the commit."""
    stop = threading.Event()
    accepted: list[str] = []
    poster = threading.Thread(target=_post_one_by_one, args=(up.product, accepted, stop))
    poster.start()
    chance = Random(3)
    try:
        for n in range(8):
            wanted = len(accepted) + chance.randint(1, 12)
            eventually(lambda wanted=wanted: len(accepted) >= wanted)  # type: ignore[misc]
            told = set(accepted)
            before = _wal(up)
            heard(up.product, f"heard-{n}")
            as_it_lay, *torn = _copied(up, tmp_path / str(n), before, chance)
            assert told | {f"heard-{n}"} <= _whole(as_it_lay)
            for copy in torn:
                assert told <= _whole(copy)
    finally:
        stop.set()
        poster.join()


def _post_one_by_one(product: Product, accepted: list[str], stop: threading.Event) -> None:
    with httpx2.Client(base_url=product.url, auth=(product.write_key, ""), timeout=20, trust_env=False) as client:
        for n in itertools.count():
            if stop.is_set():
                return
            id = f"power-{n}"
            if client.post("/v1/track", json=call(event="Joined", userId=id, messageId=id)).status_code == 200:
                accepted.append(id)


def _wal(fleet: Fleet) -> bytes:
    return (fleet.product.place / "data" / "dangol.db-wal").read_bytes()


def _copied(fleet: Fleet, place: Path, before: bytes, chance: Random) -> list[Path]:
    """The files as a power cut may leave them; `before` is a WAL that was durable a little while ago."""
    role = fleet.roles["up"]
    role.pause()
    try:
        found = (fleet.product.place / "data" / "dangol.db").read_bytes(), _wal(fleet)
    finally:
        role.resume()
    database, wal = found
    wals = [wal]
    if wal.startswith(before[:32]) and len(wal) > len(before):  # the same WAL, only longer
        torn = wal[: chance.randint(len(before), len(wal))]
        wals += [torn, torn + chance.randbytes(len(wal) - len(torn))]
    for n, one in enumerate(wals):
        (place / str(n)).mkdir(parents=True)
        (place / str(n) / "dangol.db").write_bytes(database)
        (place / str(n) / "dangol.db-wal").write_bytes(one)
    return [place / str(n) for n in range(len(wals))]


def _whole(place: Path) -> set[str]:
    """The people whose events are in a copy that is whole."""
    with closing(sqlite3.connect(place / "dangol.db")) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {key.split("/")[1] for (key,) in conn.execute("SELECT key FROM logged WHERE topic = 'events'")}


def test_case_15_ten_times_the_rate(up: Fleet) -> None:
    """A second of it. Caught: a bucket that never empties."""
    role = up.roles["up"]
    assert role.running
    before, began = memory_of(role.running.pid), time.monotonic()
    answers = asyncio.run(_flood(up.product))
    room = RATE * (BURST + time.monotonic() - began)  # the bucket, and what it was refilled by meanwhile
    assert {answer.status_code for _, answer in answers} == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for _, answer in answers if answer.status_code == 429)
    assert memory_of(role.running.pid) < before + 64 * 2**20
    people = {f"{name}-{n}": 1 for name, answer in answers if answer.status_code == 200 for n in range(20)}
    assert len(people) <= room + 20, "admitted more than the bucket holds, and the batch that empties it"
    eventually(lambda: _of(people, entered(up.product)) == people)


async def _flood(product: Product) -> list[tuple[str, httpx2.Response]]:
    """4,000 events, as fast as they go, by 8 posters."""

    async def post(name: str) -> tuple[str, httpx2.Response]:
        users = [f"{name}-{n}" for n in range(20)]
        batch = [call(event="Joined", userId=user, messageId=user) for user in users]
        async with turns:
            return name, await client.post("/v1/batch", json={"batch": batch})

    turns = asyncio.Semaphore(8)
    async with httpx2.AsyncClient(
        base_url=product.url, auth=(product.write_key, ""), timeout=20, trust_env=False
    ) as client:
        return await asyncio.gather(*(post(f"flood{n}") for n in range(200)))


def memory_of(pid: int) -> int:
    """The bytes a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
