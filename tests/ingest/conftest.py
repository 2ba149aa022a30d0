"""An ingest to post to."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from dangol.service import House
from dangol_ingest.main import open_service
from tests.support.house import app_of, client_of, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key."""
    async with open_service(house) as ingest, client_of(app_of(house, ingest.router)) as client:
        yield client
