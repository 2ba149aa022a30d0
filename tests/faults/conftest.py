"""Grounds to fail on: those of the contract tests, a broker of one's own, a product of one journey."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dangol.outbox import Outbox
from dangol.settings import Settings, read_settings
from tests.contract.conftest import Ground, ground, settings
from tests.support import kafka, servers
from tests.support.fleet import Fleet, embedded_fleet
from tests.support.product import Product
from tests.support.server import Server, free_port
from tests.support.working import eventually

__all__ = ["broker", "ground", "settings"]
JOURNEY = "journey: joined\nenter: {event: Joined, again: always}\nsteps:\n  - set: {joined: true}\n"


@dataclass(frozen=True)
class Broker:
    """A broker, and a second way to it: what connects to `wired` must be carried to `behind` by a wire."""

    server: Server
    wired: int = 0
    behind: int = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.url

    def settings(self, place: Path, prefix: str, *, wired: bool = False) -> Settings:
        """This log beside a SQLite database."""
        log = f"kafka://127.0.0.1:{self.wired}" if wired else self.url
        return read_settings({}, log=log, db=f"sqlite:///{place}/dangol.db", partitions=2, topic_prefix=prefix)


@pytest.fixture(scope="session")
def broker(kafka_url: str) -> Iterator[Broker]:
    """A broker to stop, pause and kill; start it again before you leave."""
    launch, wired, behind = kafka.prepare(), free_port(), free_port()
    if launch.data is None:  # in a container: there is no second way
        own = Broker(servers.start("kafka"))
    else:
        _add_listener(launch.data / "server.properties", wired, behind)
        own = Broker(Server(launch, kafka.answers), wired, behind)
    yield own
    own.server.remove()


def _add_listener(properties: Path, wired: int, behind: int) -> None:
    said = dict(line.split("=", 1) for line in properties.read_text().splitlines())
    said["listeners"] += f",WIRED://127.0.0.1:{behind}"
    said["advertised.listeners"] += f",WIRED://127.0.0.1:{wired}"
    said["listener.security.protocol.map"] += ",WIRED:PLAINTEXT"
    said["inter.broker.listener.name"] = "PLAINTEXT"
    properties.write_text("".join(f"{name}={value}\n" for name, value in said.items()))


def joined_folder(place: Path) -> Path:
    """Definitions in which every `Joined` enters a journey anew."""
    folder = place / "definitions"
    (folder / "journeys").mkdir(parents=True)
    (folder / "journeys" / "joined.yaml").write_text(JOURNEY)
    return folder


def entered(product: Product) -> Counter[str]:
    """How often each person entered that journey: it is through at once."""
    found: Counter[str] = Counter()
    after: int | None = 0
    while after is not None:
        page = product.get("/api/decisions", verdict="finished", journey="joined", after=after, limit=500)
        found.update(one["user_id"] for one in page["decisions"])
        after = page["next"]
    return found


@contextmanager
def running(place: Path, environment: Mapping[str, str]) -> Iterator[Fleet]:
    """`dangol up` with that journey."""
    with embedded_fleet(place, joined_folder(place), environment) as fleet:
        yield fleet


async def relayed(ground: Ground) -> None:
    """Wait until what journey said is in the log."""

    async def nothing_waits() -> bool:
        async with ground.db.transaction() as conn:
            return await Outbox(ground.db, ground.stream, "journey").unsent(conn) == 0

    await eventually(nothing_waits)
