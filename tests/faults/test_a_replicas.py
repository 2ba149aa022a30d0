"""What is posted while too few brokers have it: a cluster of two, of which one goes and comes back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from dangol.settings import read_settings
from dangol.topics import Topic
from tests.contract.conftest import open_ground
from tests.faults.test_a_ingest import _accepted, _told_to_come_again, entered_each_time, posting
from tests.support import kafka, servers
from tests.support.posts import call
from tests.support.server import Server

pytestmark = pytest.mark.kafka


@pytest.fixture
def pair(kafka_url: str) -> Iterator[tuple[Server, Server]]:
    """Two brokers of one cluster; the second may be stopped and started."""
    with removed_after(servers.start("kafka")) as first:
        if first.launch.data is None:
            pytest.skip("the broker is in a container: none can join it")
        with removed_after(Server(kafka.joining(first.launch), kafka.answers)) as second:
            yield first, second


@contextmanager
def removed_after(server: Server) -> Iterator[Server]:
    """It is removed whatever happens."""
    try:
        yield server
    finally:
        server.remove()


async def test_case_11_too_few_brokers_in_sync(pair: tuple[Server, Server], tmp_path: Path, topic_prefix: str) -> None:
    """Two must have each event, and one is left. Caught: `acks=1`; a success before the brokers' answer."""
    first, second = pair
    settings = read_settings(
        {}, log=first.url, db=f"sqlite:///{tmp_path}/dangol.db", partitions=2, topic_prefix=topic_prefix
    )
    ground = await open_ground(settings)
    try:
        await _both_must_have_it(first.url, topic_prefix + Topic.EVENTS)
        async with posting(ground) as client:
            assert (await client.post("/v1/track", json=call(messageId="first"))).status_code == 200
            await asyncio.to_thread(second.stop)
            for _ in range(2):
                await _told_to_come_again(client, "alone")
            await asyncio.to_thread(second.start)
            await _accepted(client, "alone")
        await entered_each_time(ground, "Signed Up", 2)
    finally:
        await ground.close()


async def _both_must_have_it(url: str, topic: str) -> None:
    """As an operator may ask of a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://"))
    await admin.start()
    try:
        (found,) = await admin.describe_topics([topic])
        assert all(len(one["replicas"]) == 2 for one in found["partitions"])
        wanted = {"min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted)])
    finally:
        await admin.close()
