"""A product whose processes can be killed, paused and started again, one by one, each at its own address."""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ingress import ingress
from tests.support.product import (
    BROWSER,
    DANGOL,
    LINK,
    SECRET,
    WRITE,
    Product,
    clean_environment,
    compose_services,
    free_port,
    process,
    stop,
    wait_ready,
)


@dataclass
class Role:
    """One process of the product, under one name and at one address however often it is started."""

    name: str
    arguments: Sequence[str]
    place: Path
    environment: Mapping[str, str]
    url: str
    running: subprocess.Popen[str] | None = None

    @classmethod
    def like(cls, other: "Role", member: str) -> "Role":
        """Another worker of the same kind, under a stable name of its own."""
        port = free_port()
        own = {"DANGOL_PORT": str(port), "DANGOL_METRICS_PORT": str(free_port()), "DANGOL_MEMBER": member}
        return cls(member, other.arguments, other.place, {**other.environment, **own}, f"http://127.0.0.1:{port}")

    def start(self) -> None:
        """Start it; it may not be ready yet."""
        with self.log.open("a") as log:
            self.running = subprocess.Popen(
                [str(DANGOL), *self.arguments],
                cwd=self.place,
                env=clean_environment() | dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.place / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.running is not None and self.running.poll() is None

    def ready(self) -> None:
        """Wait until it says so."""
        assert self.running
        wait_ready(self.url, self.running, self.log)

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        assert self.running
        self.running.kill()
        self.running.wait()

    def restart(self) -> None:
        """Killed, and started again at once."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop it in its tracks until `resume`."""
        assert self.running
        self.running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self.running
        self.running.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """Told to end, as an operator does; its exit code."""
        assert self.running
        self.resume()
        return stop(self.running)

    def end_hastily(self, after: float) -> None:
        """Told to end, and killed where that took longer than so many seconds."""
        assert self.running
        self.running.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.running.wait(after)
        self.kill()


@dataclass
class Fleet:
    """The roles' processes by name, and the product they are."""

    product: Product
    roles: dict[str, Role] = field(default_factory=dict)

    def supervise(self) -> list[str]:
        """Start again who ended by itself, as a supervisor does; their names."""
        ended = [role for role in self.roles.values() if not role.alive]
        for role in ended:
            role.start()
        return [role.name for role in ended]


@contextmanager
def embedded_fleet(place: Path, definitions: Path, environment: Mapping[str, str]) -> Iterator[Fleet]:
    """`dangol up` as the one process `up`."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    keys = {"DANGOL_WRITE_KEY": WRITE, "DANGOL_SECRET_KEY": SECRET, "DANGOL_BROWSER_KEY": BROWSER}
    settings = {**keys, "DANGOL_METRICS_PORT": str(free_port()), **environment}
    arguments = ["up", str(definitions), "--port", str(port), "--data", str(place / "data")]
    with _running({"up": Role("up", arguments, place, settings, url)}) as roles:
        yield Fleet(Product(url, place, WRITE, SECRET, BROWSER, embedded=True), roles)


@contextmanager
def production_fleet(
    place: Path, definitions: Path, kafka: str, database: str, environment: Mapping[str, str]
) -> Iterator[Fleet]:
    """Every process of docker-compose.yml, behind the ingress, with the definitions applied."""
    shared = {
        "DANGOL_LOG": kafka,
        "DANGOL_DB": database,
        "DANGOL_PARTITIONS": "4",
        "DANGOL_WRITE_KEY": WRITE,
        "DANGOL_SECRET_KEY": SECRET,
        "DANGOL_LINK_SECRET": LINK,
        "DANGOL_ALLOW_PRIVATE_TARGETS": "127.0.0.0/8",
        **environment,
    }
    with process(["migrate"], place, shared, "migrate") as migrating:
        assert migrating.wait(60) == 0, (place / "migrate.log").read_text()
    made = {
        name: _role(name, service.command, place, shared | {"DANGOL_MEMBER": service.member})
        for name, service in compose_services().items()
        if service.command != ["migrate"]
    }
    addresses: dict[str, list[str]] = {}
    for role in made.values():
        addresses.setdefault(role.arguments[0], []).append(role.url)
    with _running(made) as roles, ingress(addresses) as url:
        product = Product(url, place, WRITE, SECRET, "", embedded=False)
        product.run("apply", str(definitions))
        yield Fleet(product, roles)


def _role(name: str, command: Sequence[str], place: Path, settings: Mapping[str, str]) -> Role:
    port = free_port()
    own = {"DANGOL_PORT": str(port), "DANGOL_METRICS_PORT": str(free_port())}
    return Role(name, command, place, {**settings, **own}, f"http://127.0.0.1:{port}")


@contextmanager
def _running(roles: dict[str, Role]) -> Iterator[dict[str, Role]]:
    with ExitStack() as stack:
        for role in roles.values():
            role.start()
            stack.callback(role.end)
        for role in roles.values():
            role.ready()
        yield roles
