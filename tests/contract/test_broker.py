"""The log when its brokers stop, stand still, forget, or were never there: told in time, and gone on from."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from dangol.consume import Subscription
from dangol.errors import Invalid, Unavailable
from dangol.kafka.connection import CONSUMER, PRODUCER, connection_of
from dangol.kafka.home import home_of
from dangol.kafka.topics import ensure_topics
from dangol.metrics import OFFSET_GAPS
from dangol.settings import Settings, read_settings
from dangol.topics import Topic
from tests.contract.conftest import Ground, open_ground, said
from tests.contract.test_consume import drain, subscribed
from tests.contract.test_stream import read_until, reading
from tests.support import servers
from tests.support.server import Server

pytestmark = pytest.mark.kafka


def settings_of(url: str, place: Path, **given: object) -> Settings:
    """Kafka beside a SQLite database."""
    return read_settings({}, log=url, db=f"sqlite:///{place}/dangol.db", partitions=2, **given)


@pytest.fixture(scope="module")
def broker(kafka_url: str) -> Iterator[Server]:
    """A broker to stop and start."""
    own = servers.start("kafka")
    yield own
    own.remove()


@pytest.fixture
async def ground(broker: Server, tmp_path: Path, topic_prefix: str) -> AsyncIterator[Ground]:
    """A database and that broker's log."""
    opened = await open_ground(settings_of(broker.url, tmp_path, topic_prefix=topic_prefix))
    yield opened
    await opened.close()


async def test_a_broker_that_is_gone_is_told_within_two_seconds(ground: Ground, broker: Server) -> None:
    await ground.stream.append([said("k", "before")])
    await asyncio.to_thread(broker.kill)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await ground.stream.append([said("k", "lost")])
        assert time.monotonic() - began < 2.2
    assert "does not answer" in (await ground.stream.ready() or "")
    await asyncio.to_thread(broker.start)
    await _once_it_takes(ground, "after")
    assert await ground.stream.ready() is None
    async with reading(ground) as reader:
        values = {record.value.decode() for record in await read_until(reader, 2)}
    assert {"before", "after"} <= values | {"lost"}
    assert "before" in values


async def test_a_broker_that_stands_still_is_told_within_two_seconds(ground: Ground, broker: Server) -> None:
    await ground.stream.append([said("k", "before")])
    broker.pause()
    try:
        began = time.monotonic()
        waiting = [ground.stream.append([said(f"k{n}", "w")]) for n in range(50)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert time.monotonic() - began < 2.2
    finally:
        broker.resume()
    await _once_it_takes(ground, "after")


async def test_a_reader_goes_on_after_an_outage_case_24_case_25(ground: Ground, broker: Server) -> None:
    """Caught: a producer kept after an error."""
    async with subscribed(ground) as subscription:
        await ground.stream.append([said("k", "1")])
        assert await drain(ground, subscription, 1) == ["1"]
        await asyncio.to_thread(broker.kill)
        with pytest.raises(Unavailable):
            await ground.stream.append([said("k", "lost")])
        await asyncio.to_thread(broker.start)
        await _once_it_takes(ground, "2")
        assert "2" in await _drained_within(ground, subscription, timedelta(seconds=30))


async def test_records_the_log_dropped_are_counted_and_read_on_case_28(ground: Ground) -> None:
    """Caught: a position before the log not noticed; `latest`."""
    await ground.stream.append([said("k", str(n)) for n in range(10)])
    async with subscribed(ground) as subscription:
        await drain(ground, subscription, 10)
    await ground.stream.append([said("k", str(n)) for n in range(10, 20)])
    home = ground.stream.partition_of("k")
    await _delete_before(ground, home, 15)
    before = OFFSET_GAPS.labels(Topic.EVENTS, "g")._value.get()
    async with subscribed(ground) as subscription:
        assert await drain(ground, subscription, 5) == [str(n) for n in range(15, 20)]
        assert subscription.stuck() is None
    assert OFFSET_GAPS.labels(Topic.EVENTS, "g")._value.get() - before == 5


async def test_topics_are_made_as_our_promises_need_them(ground: Ground, broker: Server) -> None:
    connection = connection_of(ground.settings)
    assert ground.stream.partitions == 2
    assert await ensure_topics(connection, ground.settings) == 2  # and found again
    async with reading(ground) as reader:
        await ground.stream.append([said("k", "1")])
        (record,) = await read_until(reader, 1)
    assert record.partition == home_of("k", 2) == ground.stream.partition_of("k")


async def test_a_topic_with_the_writers_time_is_refused(broker: Server, tmp_path: Path, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.url.removeprefix("kafka://"))
    await admin.start()
    await admin.create_topics([NewTopic(topic_prefix + topic, 2, 1) for topic in Topic])
    await admin.close()
    settings = settings_of(broker.url, tmp_path, topic_prefix=topic_prefix)
    with pytest.raises(Invalid, match="keeps the writer's time"):
        await _made(settings)


async def test_no_broker_is_unavailable(tmp_path: Path) -> None:
    settings = settings_of("kafka://127.0.0.1:1", tmp_path)
    with pytest.raises(Unavailable):
        await ensure_topics(connection_of(settings), settings)


def test_the_settings_that_carry_the_promise() -> None:
    assert (PRODUCER["acks"], PRODUCER["enable_idempotence"]) == ("all", True)
    assert (CONSUMER["enable_auto_commit"], CONSUMER["auto_offset_reset"]) == (False, "earliest")
    assert (CONSUMER["isolation_level"], CONSUMER["session_timeout_ms"]) == ("read_committed", 10_000)
    assert (CONSUMER["heartbeat_interval_ms"], CONSUMER["max_poll_interval_ms"]) == (3_000, 300_000)


@pytest.mark.parametrize(
    ("key", "hashed"),
    [("", 275646681), ("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536)],
)
def test_homes_are_what_every_kafka_client_computes(key: str, hashed: int) -> None:
    """Values of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own tests."""
    assert home_of(key, 12) == (hashed & 0x7FFFFFFF) % 12


def test_a_url_with_a_user(tmp_path: Path) -> None:
    url = "kafka+sasl_ssl://dangol@a:9093,b:9093?mechanism=SCRAM-SHA-256"
    arguments = connection_of(settings_of(url, tmp_path, kafka_password="p@ss")).arguments()
    assert arguments["bootstrap_servers"] == "a:9093,b:9093"
    assert arguments["security_protocol"] == "SASL_SSL"
    assert (arguments["sasl_mechanism"], arguments["sasl_plain_password"]) == ("SCRAM-SHA-256", "p@ss")
    assert arguments["ssl_context"].check_hostname
    with pytest.raises(Invalid, match="a user and a password"):
        connection_of(settings_of("kafka+sasl_ssl://a:9093", tmp_path))
    assert "ssl_context" not in connection_of(settings_of("kafka://a:9092", tmp_path)).arguments()


async def _made(settings: Settings) -> int:
    """The topics, once the brokers have spread the word of them."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await ensure_topics(connection_of(settings), settings)
            except Unavailable:
                await asyncio.sleep(0.1)


async def _once_it_takes(ground: Ground, value: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await ground.stream.append([said("k", value)])
            except Unavailable:
                await asyncio.sleep(0.1)


async def _drained_within(ground: Ground, subscription: Subscription, span: timedelta) -> list[str]:
    """What comes until the value `2` does."""
    values: list[str] = []
    async with asyncio.timeout(span.total_seconds()):
        while "2" not in values:
            try:
                values += await drain(ground, subscription, 1)
            except Unavailable:
                await asyncio.sleep(0.1)
    return values


async def _delete_before(ground: Ground, partition: int, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=ground.settings.log.removeprefix("kafka://"))
    await admin.start()
    place = TopicPartition(ground.settings.topic_prefix + Topic.EVENTS, partition)
    await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
    await admin.close()


async def test_a_record_that_cannot_be_fetched_does_not_wedge(ground: Ground, broker: Server) -> None:
    """Bytes on the broker's disk went bad: what is before is read, what is bad is skipped, counted and told, and
    what is after is read."""
    for value in ("before", "bad" * 50, "after"):
        await ground.stream.append([said("k", value)])
    await asyncio.to_thread(broker.stop)
    home = ground.stream.partition_of("k")
    assert broker.launch.data
    await asyncio.to_thread(_spoil, broker.launch.data, f"{ground.settings.topic_prefix}{Topic.EVENTS}-{home}")
    await asyncio.to_thread(broker.start)
    async with subscribed(ground) as subscription:
        async with asyncio.timeout(60):
            assert await drain(ground, subscription, 2) == ["before", "after"]


def _spoil(data: Path, partition: str) -> None:
    """Turn a byte of the second batch in the partition's segment."""
    (segment,) = (data / "log" / partition).glob("*.log")
    content = bytearray(segment.read_bytes())
    second = 12 + int.from_bytes(content[8:12], "big")
    length = int.from_bytes(content[second + 8 : second + 12], "big")
    content[second + 12 + length - 5] ^= 0xFF
    segment.write_bytes(content)
