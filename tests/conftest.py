"""Fixtures every test may ask for: real servers, real databases, a browser, the official JavaScript clients."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support import browser, databases, node, servers
from tests.support.programs import Unobtainable

T = TypeVar("T")
# Asking for a fixture is what needs the program: nobody has to remember the mark.
MARKED_BY = {
    "postgres_server": pytest.mark.postgres,
    "kafka_url": pytest.mark.kafka,
    "chromium": pytest.mark.browser,
    "node_clients": pytest.mark.node,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the servers and programs its fixtures bring."""
    for item in items:
        if isinstance(item, pytest.Function):
            for name in MARKED_BY.keys() & set(item.fixturenames):
                item.add_marker(MARKED_BY[name])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL 15+, shared by every test on the machine; make databases of your own in it."""
    with ExitStack() as stack:
        yield _brought(lambda: _entered(stack, servers.shared("postgres")))


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """`kafka://127.0.0.1:PORT` of a real Apache Kafka 4, shared: give your topics a prefix of their own."""
    with ExitStack() as stack:
        yield _brought(lambda: _entered(stack, servers.shared("kafka")))


@pytest.fixture
def topic_prefix() -> str:
    """A prefix no other test's topics have."""
    return f"t{uuid.uuid4().hex[:12]}-"


@pytest.fixture(scope="module")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that lives as long as the module's tests."""
    with databases.postgres_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with every table, to be copied and never opened."""
    with databases.postgres_database(postgres_server) as url:
        yield databases.migrated(url)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SQLite database with every table, to be copied and never opened."""
    place = tmp_path_factory.mktemp("migrated")
    databases.migrated(databases.sqlite_url(place))
    return place


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of the test's own; the test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield databases.sqlite_url(tmp_path)
    else:
        with databases.postgres_database(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As `db_url`, with every table of every service."""
    if request.param == "sqlite":
        yield databases.sqlite_copy(request.getfixturevalue("migrated_sqlite"), tmp_path)
    else:
        server, like = request.getfixturevalue("postgres_server"), request.getfixturevalue("migrated_postgres")
        with databases.postgres_database(server, like) as url:
            yield url


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A Chromium to drive; start it with `tests.support.browser.FLAGS`."""
    return _brought(browser.find)


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """A folder whose `node_modules` holds the official JavaScript clients; run `node` with it as the working folder."""
    return _brought(node.install)


def _entered(stack: ExitStack, context: AbstractContextManager[T]) -> T:
    return stack.enter_context(context)


def _brought(bring: Callable[[], T]) -> T:
    """What `bring` gives. Where the machine can't have it the test is skipped; on CI that is a failure."""
    try:
        return bring()
    except Unobtainable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
