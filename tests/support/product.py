"""The product as its users run it: `dangol up`, or all roles as processes on Kafka and PostgreSQL, at one address."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from ruamel.yaml import YAML

from tests.support.ingress import ingress

T = TypeVar("T")
DANGOL = Path(sys.executable).parent / "dangol"
READY_WITHIN = 60.0
WRITE, BROWSER, SECRET, LINK = "write-key-1", "browser-key-1", "secret-key-1", "link-secret-of-tests-0123456789"
COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


@dataclass(frozen=True)
class Product:
    """A running product: its one address, its keys, and the folder its commands are run in."""

    url: str
    place: Path
    write_key: str
    secret_key: str
    browser_key: str
    embedded: bool

    @property
    def http(self) -> httpx2.Client:
        """A client with the secret key; close it, or use it as a context manager."""
        headers = {"Authorization": f"Bearer {self.secret_key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a good answer."""
        with self.http as client:
            return client.get(path, params=params).raise_for_status().json()

    def run(self, *arguments: str, ok: bool = True) -> str:
        """A command of the command line; its whole output. Fails on another exit code than 0 unless told otherwise."""
        environment = clean_environment() | {"DANGOL_URL": self.url, "DANGOL_SECRET_KEY": self.secret_key}
        environment |= {"DANGOL_WRITE_KEY": self.write_key, "LANG": "ko_KR.UTF-8", "COLUMNS": "200"}
        done = subprocess.run(
            [DANGOL, *arguments],
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        said = done.stdout + done.stderr
        assert not ok or done.returncode == 0, f"dangol {' '.join(arguments)}: {said}"
        return said

    def post(self, event: Mapping[str, Any], path: str = "/v1/track") -> Any:
        """Post an event with the write key, as a backend does."""
        with httpx2.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            return client.post(path, json=event, auth=(self.write_key, "")).raise_for_status().json()


def eventually(look: Callable[[], T], within: float = 30.0) -> T:
    """What `look` gives once it is true-ish; fails with its last answer. It may raise `AssertionError` meanwhile."""
    until = time.monotonic() + within
    while True:
        try:
            if found := look():
                return found
            last: object = found
        except (AssertionError, httpx2.HTTPError, LookupError) as error:
            last = error
        assert time.monotonic() < until, f"not within {within:.0f} s: {last!r}"
        time.sleep(0.05)


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of a dangol. Compiled modules are kept: each start is 2 s sooner."""
    left_out = ("DANGOL_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def free_port() -> int:
    """A port of loopback nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def process(
    arguments: Sequence[str], place: Path, environment: Mapping[str, str], name: str
) -> Iterator[subprocess.Popen[str]]:
    """A command of the product running until the block ends; its output in PLACE/NAME.log."""
    with (place / f"{name}.log").open("a") as log:
        running = subprocess.Popen(
            [str(DANGOL), *arguments],
            cwd=place,
            env=clean_environment() | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
        )
    try:
        yield running
    finally:
        stop(running)


def stop(running: subprocess.Popen[str], within: float = 40.0) -> int:
    """Ask a process to end, as an operator would; its exit code."""
    if running.poll() is None:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(within)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
    return int(running.returncode)


@contextmanager
def embedded(place: Path, definitions: Path | None, environment: Mapping[str, str] = {}) -> Iterator[Product]:
    """`dangol up DIR` on a free port."""
    port = free_port()
    keys = {"DANGOL_WRITE_KEY": WRITE, "DANGOL_SECRET_KEY": SECRET, "DANGOL_BROWSER_KEY": BROWSER}
    settings = {**keys, "DANGOL_METRICS_PORT": str(free_port()), **environment}
    arguments = ["up", *([str(definitions)] if definitions else []), "--port", str(port), "--data", str(place / "data")]
    with process(arguments, place, settings, "up") as running:
        url = f"http://127.0.0.1:{port}"
        wait_ready(url, running, place / "up.log")
        yield Product(url, place, WRITE, SECRET, BROWSER, embedded=True)


@contextmanager
def production(
    place: Path, definitions: Path, kafka: str, database: str, prefix: str, environment: Mapping[str, str] = {}
) -> Iterator[Product]:
    """Every role as its own process, two journey workers and two dispatchers, and the definitions applied."""
    shared = {
        "DANGOL_LOG": kafka,
        "DANGOL_DB": database,
        "DANGOL_TOPIC_PREFIX": prefix,
        "DANGOL_PARTITIONS": "4",
        "DANGOL_WRITE_KEY": WRITE,
        "DANGOL_SECRET_KEY": SECRET,
        "DANGOL_LINK_SECRET": LINK,
        "DANGOL_ALLOW_PRIVATE_TARGETS": "127.0.0.0/8",
        **environment,
    }
    services = compose_services()
    with ExitStack() as stack:
        migrated = stack.enter_context(process(services.pop("migrate").command, place, shared, "migrate"))
        assert migrated.wait(60) == 0, (place / "migrate.log").read_text()
        addresses: dict[str, list[str]] = {}
        for name, service in services.items():
            url = _worker(stack, name, service, place, {**shared, "DANGOL_MEMBER": service.member})
            addresses.setdefault(service.command[0], []).append(url)
        url = stack.enter_context(ingress(addresses))
        product = Product(url, place, WRITE, SECRET, _browser_key(url), embedded=False)
        product.run("apply", str(definitions))
        yield product


@dataclass(frozen=True)
class ComposeService:
    """A process of docker-compose.yml: its command and its worker's stable name."""

    command: list[str]
    member: str


def compose_services() -> dict[str, ComposeService]:
    """The services of docker-compose.yml that run our image: their very commands are what is run here."""
    said = YAML(typ="safe", pure=True).load(COMPOSE.read_text())["services"]
    return {
        name: ComposeService(list(service["command"]), service["environment"].get("DANGOL_MEMBER", name))
        for name, service in said.items()
        if service["image"] == "dangol:local"
    }


def _worker(stack: ExitStack, name: str, service: ComposeService, place: Path, settings: Mapping[str, str]) -> str:
    port = free_port()
    own = {"DANGOL_PORT": str(port), "DANGOL_METRICS_PORT": str(free_port())}
    running = stack.enter_context(process(service.command, place, {**settings, **own}, name))
    url = f"http://127.0.0.1:{port}"
    wait_ready(url, running, place / f"{name}.log")
    return url


def _browser_key(url: str) -> str:
    made = httpx2.post(
        f"{url}/api/keys", json={"kind": "browser"}, headers={"Authorization": f"Bearer {SECRET}"}, trust_env=False
    )
    return str(made.raise_for_status().json()["key"])


def wait_ready(url: str, running: subprocess.Popen[str], log: Path) -> None:
    """Return when the product says it is ready; fails with its log when it ends or takes too long."""
    until = time.monotonic() + READY_WITHIN
    said = ""
    while time.monotonic() < until and running.poll() is None:
        try:
            answer = httpx2.get(f"{url}/healthz/ready", timeout=5, trust_env=False)
            if answer.status_code == 200:
                return
            said = answer.text
        except httpx2.HTTPError as error:
            said = str(error)
        time.sleep(0.05)
    raise AssertionError(f"not ready ({said}):\n{log.read_text()}")
