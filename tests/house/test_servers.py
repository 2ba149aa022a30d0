"""The servers the suite brings: real, shared, and one's own to kill."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support import kafka, postgres, servers
from tests.support.programs import Unobtainable, docker_answers, first_that_works
from tests.support.server import Launch, Server


async def test_a_module_has_a_postgres_database_of_its_own(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    assert version >= 150000
    assert tables == 0


async def test_the_broker_makes_no_topic_by_itself(kafka_url: str, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    await admin.start()
    try:
        await admin.describe_topics([f"{topic_prefix}unknown"])
        await admin.create_topics([NewTopic(f"{topic_prefix}events", num_partitions=2, replication_factor=1)])
        topics = [topic for topic in await admin.list_topics() if topic.startswith(topic_prefix)]
    finally:
        await admin.close()
    assert topics == [f"{topic_prefix}events"]


def test_holders_share_one_server(postgres_server: str) -> None:
    with servers.shared("postgres") as second:
        assert second == postgres_server


@pytest.fixture(scope="module")
def own(postgres_server: str) -> Server:
    return servers.start("postgres")


async def test_a_server_of_ones_own_can_be_killed_and_started_again(own: Server) -> None:
    connection = await asyncpg.connect(own.url)
    await connection.execute("CREATE TABLE kept (id int)")
    await asyncio.to_thread(own.kill)
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(own.url)
    await asyncio.to_thread(own.start)
    again = await asyncpg.connect(own.url)
    assert await again.fetchval("SELECT count(*) FROM kept") == 0
    await again.close()
    await asyncio.to_thread(own.remove)
    assert own.launch.data is not None
    assert not own.launch.data.exists()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Docker client whose daemon says yes to everything."""
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    docker_answers.cache_clear()
    yield
    docker_answers.cache_clear()


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("kind", [kafka, postgres])
def test_in_docker_the_server_is_on_loopback_and_its_data_outlives_a_kill(kind: ModuleType) -> None:
    launch: Launch = kind._docker()
    command = " ".join(launch.command)
    assert f"--name {launch.container} -v {launch.container}:/var/lib/" in command
    assert f"-p 127.0.0.1:{urlsplit(launch.url).port}:" in command


def test_on_ci_a_server_that_cannot_be_had_is_a_failure(tmp_path: Path) -> None:
    one = f"{__file__}::test_the_broker_makes_no_topic_by_itself"
    pytest_alone = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", one]
    bare = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    here = subprocess.run(pytest_alone, env=bare, capture_output=True, text=True, check=False, timeout=120)
    on_ci = subprocess.run(
        pytest_alone, env=bare | {"CI": "true"}, capture_output=True, text=True, check=False, timeout=120
    )
    assert here.returncode == 0, here.stdout
    assert "no Apache Kafka" in here.stdout
    assert on_ci.returncode == 1, on_ci.stdout


def test_what_cannot_be_had_says_every_reason() -> None:
    def no_docker() -> str:
        raise Unobtainable("no Docker daemon answers")

    def no_root() -> str:
        raise Unobtainable("needs root")

    with pytest.raises(Unobtainable, match="no broker: no Docker daemon answers; needs root"):
        first_that_works([no_docker, no_root], "broker")
    assert first_that_works([no_docker, lambda: "here"], "broker") == "here"
