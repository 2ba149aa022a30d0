"""Products to be killed: `dangol up`, and every role as a process on a Kafka and a PostgreSQL of their own."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.crash.ground import Ground, definitions, program
from tests.support import servers
from tests.support.fleet import embedded_fleet, production_fleet
from tests.support.product import SECRET, free_port
from tests.support.programs import Unobtainable
from tests.support.server import Server

SETTINGS = {"HOOK_SECRET": SECRET}


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Ground]:
    """`dangol up` on SQLite."""
    with receivers(tmp_path) as folder, embedded_fleet(tmp_path, folder, SETTINGS) as fleet:
        yield from held(Ground(tmp_path, fleet))


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, own_servers: tuple[Server, Server]) -> Iterator[Ground]:
    """All roles as processes on a Kafka and a PostgreSQL of their own."""
    tmp_path = tmp_path_factory.mktemp("production")
    kafka, postgres = own_servers
    with (
        receivers(tmp_path) as folder,
        production_fleet(tmp_path, folder, kafka.url, postgres.url, SETTINGS) as fleet,
    ):
        yield from held(Ground(tmp_path, fleet, kafka, postgres))


def held(ground: Ground) -> Iterator[Ground]:
    """The ground, with nothing left running of it afterwards."""
    try:
        yield ground
    finally:
        ground.let_go()


@pytest.fixture(scope="module")
def own_servers() -> Iterator[tuple[Server, Server]]:
    """A Kafka and a PostgreSQL nobody else uses."""
    with ExitStack() as stack:
        try:
            kafka = servers.start("kafka")
            stack.callback(kafka.remove)
            postgres = servers.start("postgres")
            stack.callback(postgres.remove)
        except Unobtainable as reason:
            if os.environ.get("CI") == "true":
                pytest.fail(str(reason), pytrace=False)
            pytest.skip(str(reason))
        yield kafka, postgres


@contextmanager
def receivers(place: Path) -> Iterator[Path]:
    """Processes that take webhooks and mails; the definitions that send there."""
    hooks, mails = free_port(), free_port()
    running = [
        program("hooks", str(hooks), str(place / "calls")),
        program("mails", str(mails), str(place / "mails")),
    ]
    try:
        yield definitions(place, hooks, mails)
    finally:
        for one in running:
            one.kill()
            one.wait()
