"""Every role as the compose file runs it: its own process, on real servers, ready, and gone when told."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from dangol.process import ROLES
from tests.support.server import free_port

DOCKERFILE = Path(__file__).parents[2] / "deploy" / "Dockerfile"
READY_WITHIN = 60.0
GONE_WITHIN = 25.0


@pytest.fixture
def environment(kafka_url: str, postgres_url: str, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """What the compose file gives a role, and nothing from the developer's shell."""
    return {
        "PATH": os.environ["PATH"],
        "DANGOL_LOG": kafka_url,
        "DANGOL_DB": postgres_url,
        "DANGOL_TOPIC_PREFIX": topic_prefix,
        "DANGOL_PARTITIONS": "2",
        "DANGOL_WRITE_KEY": "write-key",
        "DANGOL_SECRET_KEY": "secret-key",
        "DANGOL_LINK_SECRET": "link-secret",
        "DANGOL_PUBLIC_URL": "http://localhost:8420",
        "DANGOL_DATA": str(tmp_path),
        "DANGOL_PORT": str(free_port()),
        "DANGOL_METRICS_PORT": str(free_port()),
        "DANGOL_MEMBER": "worker-1",
    }


@pytest.fixture
async def migrated(environment: dict[str, str]) -> None:
    ended = await start("migrate", environment)
    assert await ended.wait() == 0, await said(ended)


async def start(command: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dangol",
        command,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await process.stdout.read()).decode()


async def answers(url: str, process: asyncio.subprocess.Process) -> AsyncIterator[httpx2.Response]:
    """What the process answers, again and again, until it ends."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        while process.returncode is None:
            try:
                yield await client.get(url)
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


async def until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    last = "no answer"
    try:
        async with asyncio.timeout(READY_WITHIN):
            async for answer in answers(f"{url}/healthz/ready", process):
                if answer.status_code == 200:
                    return
                last = answer.text
                await asyncio.sleep(0.05)
    except TimeoutError:
        process.kill()
    pytest.fail(f"not ready: {last}\n{await said(process)}")


async def health(environment: dict[str, str]) -> int:
    """What the image's own health check comes to."""
    (check,) = re.findall(r"HEALTHCHECK[^\n]*\\\n\s*CMD (\[.*\])", DOCKERFILE.read_text())
    _python, *arguments = json.loads(check)
    quiet = asyncio.subprocess.DEVNULL
    asked = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, stderr=quiet)
    return await asked.wait()


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize("role", [role for role, main in ROLES.items() if find_spec(main)])
async def test_a_role_becomes_ready_and_leaves_in_good_order(role: str, environment: dict[str, str]) -> None:
    process = await start(role, environment)
    url = f"http://127.0.0.1:{environment['DANGOL_PORT']}"
    await until_ready(url, process)
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{url}/healthz/live")).status_code == 200
        metrics = await client.get(f"http://127.0.0.1:{environment['DANGOL_METRICS_PORT']}/metrics")
    assert "dangol_" in metrics.text
    assert await health(environment) == 0
    process.terminate()
    async with asyncio.timeout(GONE_WITHIN):
        assert await process.wait() == 0, await said(process)
    assert await health(environment) != 0
