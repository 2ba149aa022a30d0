"""A product under load whose processes and servers may be killed, and the ledgers others keep beside it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from tests.crash.programs.checker import COUNTED
from tests.crash.programs.ledger import Ledger
from tests.support.fleet import Fleet, Role
from tests.support.product import eventually
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
LOADED = 0.95  # of the effects there will be: then the load is nearly over
PATIENCE = 300.0  # seconds a wait may take that is no measure of anything
VIEWS = 4  # events of each person before the one that enters a journey; every message tells how many were counted
AHEAD = 1000  # people at most that are posted before their messages were taken: so that there is load to the end
JOURNEYS = """\
journey: joined
enter: {event: Joined, again: always}
steps:
  - {webhook: hook, as: first, json: {user: "{{ profile.user_id }}", step: first, seen: "{{ profile.views }}"}}
  - {wait: 1s}
  - {webhook: hook, as: second, json: {user: "{{ profile.user_id }}", step: second, seen: "{{ profile.views }}"}}
---
journey: lettered
enter: {event: Lettered, again: always}
steps:
  - {send: newsletter, by: email}
  - {wait: 1s}
  - {send: receipt, by: email}
"""
TEMPLATES = """\
template: newsletter
category: marketing
email: {subject: "newsletter of {{ profile.user_id }} after {{ profile.views }}", text: "News."}
---
template: receipt
category: transactional
email: {subject: "receipt of {{ profile.user_id }} after {{ profile.views }}", text: "Thanks."}
"""
TRAITS = "- {trait: views, count: Viewed}\n"
WORKSPACE = """\
workspace: default
zone: UTC
locale: en
sender: {name: Shop, email: hello@shop.example, address: 1 Road}
consent: {marketing_agreed: {purpose: marketing, channels: [email]}}
"""
GATEWAYS = """\
- {{gateway: hook, channel: webhook, kind: webhook, url: "{hooks}", secret: {{env: HOOK_SECRET}}}}
- {{gateway: mail, channel: email, kind: smtp, url: "{mails}", from: "Shop <hello@shop.example>"}}
"""


@dataclass
class Ground:
    """A running product, its servers where they are its own, and what other processes wrote down."""

    place: Path
    fleet: Fleet
    kafka: Server | None = None
    postgres: Server | None = None
    posters: list[subprocess.Popen[bytes]] = field(default_factory=list)
    posted: int = 0  # people
    finished: int = 0
    recorded: int = 0
    mailed: float = 0.1  # of people
    _after: int = 0
    _after_event: int = 0
    _watching: list[threading.Thread] = field(default_factory=list)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.calls, self.mails = Ledger(self.place / "calls"), Ledger(self.place / "mails")

    def post(self, people: int, seed: int) -> None:
        """A process that posts the events of so many people: each views a few things, and then enters a journey."""
        product = self.fleet.product
        given = (product.url, product.write_key, str(people), str(self.mailed), str(seed), str(self.place / "accepted"))
        self.posters.append(program("poster", *given, str(VIEWS), str(AHEAD)))
        self.posted += people

    def taken(self) -> int:
        """What the receivers took so far."""
        return self.calls.count() + self.mails.count()

    def moments(self, chance: Random, kills: int) -> list[int]:
        """When to kill: at so many effects that the receivers took, the last while there is load."""
        left = self.posted * len(("first", "second")) - self.taken()
        return sorted(self.taken() + chance.randint(0, int(left * LOADED)) for _ in range(kills))

    def servers(self) -> list[tuple[str, Server]]:
        """Its own servers by name."""
        return [(name, one) for name, one in (("kafka", self.kafka), ("postgres", self.postgres)) if one]

    def when_taken(self, wanted: int) -> None:
        """Wait until the receivers took so many."""
        eventually(lambda: self.taken() >= wanted, PATIENCE)

    def kill(self, role: Role) -> None:
        """Kill a role, start it again at once, and note when it was ready again."""
        at = time.time()
        role.restart()
        self._note(role.name, at, lambda: role_ready(role, self._is_current(role)))

    @contextmanager
    def cut(self, name: str, server: Server) -> Iterator[None]:
        """A server is killed, and started again at the end of the block."""
        at = time.time()
        server.kill()
        yield
        server.start()
        self._write({"target": name, "at": at, "ready_after": time.time() - at})

    def let_go(self) -> None:
        """End what still posts: a test that failed must not leave it behind."""
        for poster in self.posters:
            poster.kill()
            poster.wait()

    def drained(self, within: float) -> None:
        """Wait until all is accepted and everybody is through; then have the ledgers held against each other."""
        for poster in self.posters:
            assert poster.wait(PATIENCE * 2) == 0, "not accepted"
        ended = [role.name for role in self.fleet.roles.values() if not role.alive]
        assert not ended, "ended by themselves"
        try:
            eventually(self._all_finished, within)
            eventually(self._nothing_open, within)
            eventually(self._all_on_record, within)
        except AssertionError as error:
            print(f"{error}; what is missing:")  # noqa: T201 - beside the checker's report
        for thread in self._watching:
            thread.join(PATIENCE)
        self.checked()

    def checked(self) -> None:
        """The checker's report, printed; fails where it says that a promise is broken."""
        product = self.fleet.product
        given = (str(self.place), product.url, product.secret_key)
        assert program("checker", *given).wait(PATIENCE * 2) == 0, "a promise is broken: see the report"

    def _all_finished(self) -> bool:
        while True:
            page = self.fleet.product.get("/api/decisions", verdict="finished", after=self._after, limit=500)
            self.finished += len(page["decisions"])
            self._after = page["next"] or self._after
            if page["next"] is None:
                return self.finished >= self.posted

    def _all_on_record(self) -> bool:
        while True:
            page = self.fleet.product.get("/api/events", name=COUNTED, after=self._after_event, limit=1000)
            self.recorded += len(page["events"])
            self._after_event = page["next"] or self._after_event
            if page["next"] is None:
                return self.recorded >= self.posted * VIEWS

    def _nothing_open(self) -> bool:
        return not any(
            self.fleet.product.get("/api/messages", status=status, limit=1)["messages"]
            for status in ("asked", "held", "claimed", "retrying")
        )

    def _is_current(self, role: Role) -> Callable[[], bool]:
        running = role.running
        return lambda: role.running is running and role.alive

    def _note(self, target: str, at: float, ready: Callable[[], bool]) -> None:
        def watch() -> None:
            found = ready()
            self._write({"target": target, "at": at, "ready_after": time.time() - at if found else None})

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        self._watching.append(thread)

    def _write(self, kill: dict[str, Any]) -> None:
        with self._writing, (self.place / "kills").open("a") as written:
            written.write(json.dumps(kill) + "\n")


def role_ready(role: Role, current: Callable[[], bool]) -> bool:
    """Wait until a role says it is ready; False once it is killed again."""
    with httpx2.Client(timeout=5, trust_env=False) as client:
        while current():
            try:
                if client.get(f"{role.url}/healthz/ready").status_code == 200:
                    return True
            except httpx2.HTTPError:
                pass
            time.sleep(0.05)
    return False


def program(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """One of the crash tests' own programs, running."""
    return subprocess.Popen([sys.executable, "-m", f"tests.crash.programs.{name}", *arguments], cwd=ROOT)


def definitions(place: Path, hooks: int, mails: int) -> Path:
    """A folder with the journeys, their templates and the gateways at these ports."""
    folder = place / "definitions"
    folder.mkdir()
    gateways = GATEWAYS.format(hooks=f"http://127.0.0.1:{hooks}/in", mails=f"smtp://127.0.0.1:{mails}?tls=no")
    written = {"workspace": WORKSPACE, "gateways": gateways, "traits/views": TRAITS}
    written |= {"journeys/both": JOURNEYS, "templates/both": TEMPLATES}
    for name, text in written.items():
        (folder / f"{name}.yaml").parent.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)
    return folder


@dataclass(frozen=True)
class Form:
    """How large a run is: the suite's short form, or the long one of `just crash`, or a part of it."""

    part: float  # of the long form; 0 is the short one
    seed: int

    def of(self, short: int, long: int) -> int:
        """The number for this form."""
        return round(long * self.part) if self.part else short

    @property
    def chance(self) -> Random:
        """The moments of this run."""
        return Random(self.seed)


def form() -> Form:
    """`DANGOL_CRASH=long`, or `0.1` of it to rehearse; and `DANGOL_SEED`."""
    said = os.environ.get("DANGOL_CRASH", "0")
    return Form(1.0 if said == "long" else float(said), int(os.environ.get("DANGOL_SEED", "1")))
