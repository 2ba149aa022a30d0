"""The product as its users run it, for a row: its processes, their ports, and what CPU each has used."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import httpx2

from dangol.ports import pid_of
from dangol_bench.children import cpu_seconds, dangol
from dangol_bench.ground import SECRET, Ground, Home
from dangol_bench.model import Untrue

READY_WITHIN = 60.0
ROLES = ("ingest", "journey", "dispatcher", "insights")


@dataclass(slots=True)
class Running:
    """The processes by what they are (a role, `up`, `broker`, `postgres`, …), and the port events are posted to."""

    port: int
    pids: dict[str, int] = field(default_factory=dict)

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each has used so far."""
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}


@asynccontextmanager
async def whole(ground: Ground, home: Home, definitions: Path) -> AsyncIterator[Running]:
    """The whole product with these definitions in force: `dangol up`, or a process a role."""
    opened = _up(home, definitions) if ground.embedded else _roles(ground, home, definitions)
    async with opened as running:
        yield running


@asynccontextmanager
async def role(home: Home, name: str, processes: int = 1) -> AsyncIterator[tuple[int, int]]:
    """One role as a process of its own, or as several that share a port: the first one's pid, and the port."""
    async with AsyncExitStack() as stack:
        port, _ = free_ports()
        share = {"DANGOL_SHARE_PORT": "1"} if processes > 1 else {}
        pids = [await stack.enter_async_context(_one(home, name, port, share)) for _ in range(processes)]
        async with asyncio.timeout(READY_WITHIN):
            while _listeners(port) < processes:  # noqa: ASYNC110 - whichever answered, all must be there
                await asyncio.sleep(0.05)
        yield pids[0], port


@asynccontextmanager
async def _one(home: Home, name: str, port: int, more: Mapping[str, str]) -> AsyncIterator[int]:
    _, metrics_port = free_ports()
    own = {"DANGOL_PORT": str(port), "DANGOL_METRICS_PORT": str(metrics_port), "DANGOL_MEMBER": name, **more}
    async with dangol([name], home.place, home.environment | own, name) as process:
        await ready(port, process, home.place / f"{name}.log")
        yield process.pid


async def migrated(home: Home) -> None:
    """The tables made."""
    await command(home, ["migrate"], {})


async def command(home: Home, arguments: list[str], environment: Mapping[str, str]) -> None:
    """A command of the product that ends by itself, well."""
    async with dangol(arguments, home.place, {**home.environment, **environment}, "command") as process:
        if await process.wait():
            said = await asyncio.to_thread((home.place / "command.log").read_text)
            raise Untrue(f"dangol {' '.join(arguments)}: {said}")


@asynccontextmanager
async def _up(home: Home, definitions: Path) -> AsyncIterator[Running]:
    port, metrics_port = free_ports()
    own = {"DANGOL_METRICS_PORT": str(metrics_port)}
    environment = {name: value for name, value in home.environment.items() if name not in ("DANGOL_LOG", "DANGOL_DB")}
    arguments = ["up", str(definitions), "--port", str(port), "--data", str(home.place / "data")]
    async with dangol(arguments, home.place, environment | own, "up") as process:
        await ready(port, process, home.place / "up.log")
        yield Running(port, {"up": process.pid})


@asynccontextmanager
async def _roles(ground: Ground, home: Home, definitions: Path) -> AsyncIterator[Running]:
    await migrated(home)
    async with AsyncExitStack() as stack:
        started = {name: await stack.enter_async_context(role(home, name)) for name in ROLES}
        url = f"http://127.0.0.1:{started['journey'][1]}"
        await command(home, ["apply", str(definitions)], {"DANGOL_URL": url, "DANGOL_SECRET_KEY": SECRET})
        yield Running(started["ingest"][1], {name: pid for name, (pid, _) in started.items()} | servers_of(ground))


def servers_of(ground: Ground) -> dict[str, int]:
    """The broker's and PostgreSQL's processes, where they run on this machine."""
    found = {"broker": pid_of(_port(ground.log)), "postgres": pid_of(_port(ground.db))}
    return {name: pid for name, pid in found.items() if pid}


def _port(url: str) -> int:
    _, _, place = url.partition("://")
    port = place.partition(",")[0].rpartition("@")[2].partition("/")[0].rpartition(":")[2]
    return int(port) if port.isdigit() else 0


async def ready(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    """Return when the product says so; raises `Untrue` with its log when it ends or takes too long."""
    until, said = monotonic() + READY_WITHIN, ""
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        while monotonic() < until and process.returncode is None:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/healthz/ready")
            except httpx2.HTTPError as error:
                said = str(error)
            else:
                if answer.status_code == httpx2.codes.OK:
                    return
                said = answer.text
            await asyncio.sleep(0.05)
    raise Untrue(f"not ready ({said}): {await asyncio.to_thread(log.read_text)}")


def _listeners(port: int) -> int:
    """How many sockets of this machine listen at a port."""
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(1 for socket_ in sockets if socket_[1].endswith(f":{port:04X}") and socket_[3] == "0A")


def free_ports() -> tuple[int, int]:
    """Two ports of loopback nobody has now: held at once, so that they are two."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return int(one.getsockname()[1]), int(other.getsockname()[1])
