"""A product under load whose processes and servers may be killed, and the ledgers kept beside it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import servers
from tests.support.fleet import Fleet, embedded_fleet, production_fleet
from tests.support.product import SECRET, eventually, free_port
from tests.support.programs import Unobtainable
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
STEPS = ("first", "second")
JOURNEY = """\
journey: joined
enter: {event: Joined, again: always}
steps:
  - webhook: hook
    as: first
    json: {user: "{{ profile.user_id }}", step: first}
  - wait: 1s
  - webhook: hook
    as: second
    json: {user: "{{ profile.user_id }}", step: second}
"""
DRAINS_WITHIN = 75.0  # seconds: a lease of a dead worker's call is 30 s


@dataclass
class Ground:
    """A running product, its servers where they are its own, and what other processes wrote down."""

    place: Path
    fleet: Fleet
    kafka: Server | None = None
    postgres: Server | None = None
    posters: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def post(self, events: int) -> subprocess.Popen[bytes]:
        """A process that posts so many events, each of a person of its own."""
        product = self.fleet.product
        poster = program("posting", product.url, product.write_key, str(events), str(self.place / "accepted"))
        self.posters.append(poster)
        return poster

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """The events that were answered with 200."""
        return lines(self.place / "accepted")

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls the receiver took."""
        return lines(self.place / "taken")

    def when_taken(self, calls: int, within: float = 60) -> None:
        """Wait until the receiver took so many calls more."""
        wanted = len(self.calls) + calls
        eventually(lambda: len(self.calls) >= wanted, within)

    def drained(self, events: int, within: float = DRAINS_WITHIN) -> None:
        """Wait until all is accepted and every person has had both steps; then hold the ledgers against each other."""
        for poster in self.posters:
            assert poster.wait(180) == 0
        ended = [role.name for role in self.fleet.roles.values() if not role.alive]
        assert not ended, "ended by themselves"
        assert len(self.accepted) == events
        wanted = {(one["user"], step) for one in self.accepted for step in STEPS}
        eventually(lambda: wanted <= {(call["user"], call["step"]) for call in self.calls}, within)
        people = {one["user"]: 1 for one in self.accepted}
        eventually(lambda: self._finished() == people, 30)
        self._each_once()

    def _each_once(self) -> None:
        """The receiver honours the key: what it takes twice under one key it does once."""
        effects = Counter((call["user"], call["step"]) for call in {call["key"]: call for call in self.calls}.values())
        assert not {effect: count for effect, count in effects.items() if count > 1}
        keys = {(call["key"], call["user"], call["step"]) for call in self.calls}
        assert len(keys) == len({call["key"] for call in self.calls}), "one key named two things"

    def _finished(self) -> dict[str, int]:
        """How often each person came to the end of the journey: as often as it was entered."""
        finished: Counter[str] = Counter()
        after: int | None = 0
        while after is not None:
            page = self.fleet.product.get(
                "/api/decisions", verdict="finished", journey="joined", after=after, limit=500
            )
            finished.update(one["user_id"] for one in page["decisions"])
            after = page["next"]
        return dict(finished)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Ground]:
    """`dangol up` on SQLite."""
    with receiver(tmp_path) as settings, embedded_fleet(tmp_path, definitions(tmp_path, settings), settings) as fleet:
        yield Ground(tmp_path, fleet)


@pytest.fixture
def production(tmp_path: Path, own_servers: tuple[Server, Server]) -> Iterator[Ground]:
    """All roles as processes on a Kafka and a PostgreSQL of their own."""
    kafka, postgres = own_servers
    with (
        receiver(tmp_path) as settings,
        production_fleet(tmp_path, definitions(tmp_path, settings), kafka.url, postgres.url, settings) as fleet,
    ):
        yield Ground(tmp_path, fleet, kafka, postgres)


@pytest.fixture
def own_servers(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
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
def receiver(place: Path) -> Iterator[dict[str, str]]:
    """A process that takes webhooks; the settings that say where."""
    port = free_port()
    taking = program("taking", str(port), str(place / "taken"))
    try:
        yield {"HOOK_URL": f"http://127.0.0.1:{port}/in", "HOOK_SECRET": SECRET}
    finally:
        taking.kill()
        taking.wait()


def definitions(place: Path, settings: dict[str, str]) -> Path:
    """A folder with the one journey and its gateway."""
    folder = place / "definitions"
    (folder / "journeys").mkdir(parents=True)
    (folder / "journeys" / "joined.yaml").write_text(JOURNEY)
    gateway = (
        f"gateway: hook\nchannel: webhook\nkind: webhook\nurl: {settings['HOOK_URL']}\nsecret: {{env: HOOK_SECRET}}\n"
    )
    (folder / "gateways.yaml").write_text(gateway)
    return folder


def program(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """One of the tests' own programs, running."""
    return subprocess.Popen([sys.executable, "-m", f"tests.support.{name}", *arguments], cwd=ROOT)


def lines(ledger: Path) -> list[dict[str, Any]]:
    """What is written in a ledger; a line that is just being written is left out."""
    if not ledger.exists():
        return []
    return [json.loads(line) for line in ledger.read_text().splitlines(keepends=True) if line.endswith("\n")]
