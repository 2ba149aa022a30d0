"""Grounds to fail on: those of the contract tests, and a broker of one's own."""

from collections.abc import Iterator

import pytest

from tests.contract.conftest import ground, settings
from tests.support import servers
from tests.support.server import Server

__all__ = ["broker", "ground", "settings"]


@pytest.fixture(scope="session")
def broker(kafka_url: str) -> Iterator[Server]:
    """A broker to stop, pause and kill; start it again before you leave."""
    own = servers.start("kafka")
    yield own
    own.remove()
