"""Insights to ask."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from dangol.service import House, Service
from dangol_insights.main import open_service
from tests.support.house import SECRET, app_of, at_work, client_of, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


@pytest.fixture
async def insights(house: House) -> AsyncIterator[Service]:
    """Reading in the background."""
    async with at_work(open_service(house)) as service:
        yield service


@pytest.fixture
async def client(house: House, insights: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the secret key."""
    async with client_of(app_of(house, insights.router), SECRET) as client:
        yield client
