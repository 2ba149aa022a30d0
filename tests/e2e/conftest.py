"""The spine on both sides of one code: `dangol up`, and all roles as processes on Kafka and PostgreSQL."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import node, postgres
from tests.support.product import Product, embedded, production
from tests.support.programs import Unobtainable
from tests.support.receivers import Hooks, Mailbox, smtp_server, webhook_receiver
from tests.support.shop import quick_shop


@dataclass(frozen=True)
class Spine:
    """A running product with the quick shop, a mail server and a webhook receiver."""

    product: Product
    mailbox: Mailbox
    hooks: Hooks


@pytest.fixture(
    scope="module",
    params=["embedded", pytest.param("production", marks=[pytest.mark.kafka, pytest.mark.postgres])],
)
def spine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spine]:
    """One product a side for all tests of a module: each test has people of its own."""
    place = tmp_path_factory.mktemp(request.param)
    with smtp_server() as mailbox, webhook_receiver() as hooks:
        shop = quick_shop(place, smtp=mailbox.url, hook=hooks.url)
        settings = {"HOOK_SECRET": hooks.secret, **_script()}
        if request.param == "embedded":
            with embedded(place, shop, settings) as product:
                yield Spine(product, mailbox, hooks)
            return
        kafka, server = request.getfixturevalue("kafka_url"), request.getfixturevalue("postgres_server")
        name = f"t{uuid.uuid4().hex}"
        database = postgres.create_database(server, name)
        with production(place, shop, kafka, database, f"{name[:13]}-", settings) as product:
            yield Spine(product, mailbox, hooks)
        postgres.drop_database(server, name)


@pytest.fixture
def someone() -> str:
    """A user id no other test has."""
    return f"u{uuid.uuid4().hex[:10]}"


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Product]:
    """`dangol up` with nothing said: the starter, every message to the inbox, a clock to move."""
    with embedded(tmp_path, None) as product:
        yield product


def _script() -> dict[str, str]:
    """Segment's script for browsers, where Node.js could bring it: a product is told where the file is."""
    try:
        clients = node.install()
    except Unobtainable:
        return {}
    return {"DANGOL_ANALYTICS_JS": str(clients / "node_modules/@segment/analytics-next/dist/umd/standalone.js")}
