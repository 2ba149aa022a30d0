"""The log's groups and brokers in trouble: everything is read, once as far as anybody can tell, and in turn."""

import ast
import asyncio
import itertools
import re
import time
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from fastapi import APIRouter

from dangol.codec import decode_event, encode
from dangol.consume import DRAINED_WITHIN, Subscription
from dangol.errors import Lost
from dangol.health import Health
from dangol.kafka.connection import CONSUMER
from dangol.metrics import REBALANCES
from dangol.settings import Settings, read_settings
from dangol.stream import Outgoing
from dangol.topics import Topic
from dangol_journey.main import JourneyService
from dangol_journey.worker import open_worker
from tests.contract.conftest import Ground, open_ground, said
from tests.contract.test_consume import SOON, drain, read_some, save, subscribed
from tests.contract.test_journey_worker import counted
from tests.contract.test_stream import read_until, reading
from tests.faults.conftest import Broker, relayed
from tests.support.databases import postgres_database
from tests.support.ingesting import ingest_on
from tests.support.posts import call
from tests.support.working import eventually, working
from tests.support.workshops import did, raising, record_of, rows, workshop

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
ROOT = Path(__file__).parents[2]
WAITS = re.compile(r"\.(getmany|getone)\(|(_reader|subscription)\.read\(")


@pytest.fixture
def settings(kafka_url: str, postgres_server: str, migrated_postgres: str, topic_prefix: str) -> Iterator[Settings]:
    """Kafka and PostgreSQL: the side on which there are rebalances."""
    with postgres_database(postgres_server, migrated_postgres) as url:
        yield read_settings({}, log=kafka_url, db=url, topic_prefix=topic_prefix, partitions=4)


@pytest.fixture(autouse=True)
def _quick_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are missed after two seconds instead of ten: so that no test waits longer."""
    monkeypatch.setitem(CONSUMER, "session_timeout_ms", 2_000)
    monkeypatch.setitem(CONSUMER, "heartbeat_interval_ms", 300)


class Watched(Subscription):
    """A member that tells when it is asked to give its partitions up."""

    asked = asyncio.Event()

    async def _reassigned(self, partitions: Collection[int]) -> None:
        self.asked.set()
        await super()._reassigned(partitions)


async def test_case_19_members_come_and_go_while_events_flow(ground: Ground) -> None:
    """Eight changes of the group during 1,600 events here; with real kills under load in tests/crash, `just crash` for
    100 and more. Caught, one run in three on a loaded machine: a reader that was told to begin at 0, was handed later
    records first and passed the earlier ones over."""

    async def all_done() -> bool:
        return await counted(ground, "seen_id") == 1600

    async with AsyncExitStack() as others, working(workshop(ground.db, ground.stream), "m0"):
        for n in range(8):
            await ground.stream.append([record_of(did("Signed Up", user=f"u{n}-{m}")) for m in range(200)])
            if n % 2:
                await others.aclose()
            else:
                await others.enter_async_context(working(workshop(ground.db, ground.stream), f"m{n}"))
        await eventually(all_done, 60)
        assert await counted(ground, "enrolment") == await counted(ground, "profile") == 1600

        await relayed(ground)
    async with reading(ground, Topic.MESSAGES) as reader:
        found = await read_until(reader, 3200)  # each person's facts and message, some of them twice
    assert len({record.value for record in found if b'"template"' in record.value}) <= 1600


async def test_case_20_a_rebalance_waits_for_the_batch_in_hand(ground: Ground) -> None:
    """Caught: a rebalance that does not wait: then the save is `Lost`."""
    await ground.stream.append([said(f"k{n}", str(n)) for n in range(40)])
    first = Watched(ground.stream, ground.db, Topic.EVENTS, "g", "m1")
    first.asked = asyncio.Event()
    second = Subscription(ground.stream, ground.db, Topic.EVENTS, "g", "m2")
    await first.start()
    try:
        batches = [await read_some(first)]
        while sum(len(batch.records) for batch in batches) < 40:
            batches.append(await read_some(first))
        first.asked.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(second.start())
            await first.asked.wait()
            await asyncio.sleep(DRAINED_WITHIN / 4)  # a handler at work, while the other would take what is not kept
            for batch in batches:
                await save(ground, first, batch)
        await ground.stream.append([said(f"k{n}", f"{n}+") for n in range(40)])
        both = await asyncio.gather(_all_of(ground, first, 20), _all_of(ground, second, 20))
        assert sorted(both[0] + both[1]) == sorted(f"{n}+" for n in range(40))
    finally:
        await asyncio.gather(first.close(), second.close())


async def _all_of(ground: Ground, subscription: Subscription, polls: int) -> list[str]:
    """What a member reads and saves in so many looks."""
    values: list[str] = []
    for _ in range(polls):
        batch = await subscription.read(1000, SOON)
        if batch.records:
            values += [record.value.decode() for record in batch.records]
            await save(ground, subscription, batch)
    return values


async def test_case_21_a_batch_that_takes_longer_than_a_rebalance_waits(ground: Ground) -> None:
    """Caught: `save_positions` without the epoch: everybody is entered by the old owner as well."""
    await ground.stream.append([record_of(did("Signed Up", user=f"u{n}")) for n in range(40)])
    old = open_worker(workshop(ground.db, ground.stream), "m1")
    await old.subscription.start()
    batch = await read_some(old.subscription)
    async with working(workshop(ground.db, ground.stream), "m2") as new:

        async def taken() -> bool:
            return bool(new.subscription.held())

        async def all_done() -> bool:
            return await counted(ground, "enrolment") == 40

        await eventually(taken)
        with pytest.raises(Lost):
            await old.handler.handle(batch)
        old.subscription.rewind(batch)
        await old.subscription.close()
        await eventually(all_done)
        await relayed(ground)
    async with reading(ground, Topic.MESSAGES) as reader:
        found = [one.value for one in await read_until(reader, 80) if b'"template"' in one.value]
    assert len(found) == 40


async def test_case_22_a_loop_that_stands_still_beyond_the_session_timeout(ground: Ground) -> None:
    """Two seconds here and ten in earnest; processes stopped as long: tests/crash.

    Caught: a second assignment that is not passed on.
    """
    asked = REBALANCES.labels(Topic.EVENTS, "journey")

    async def handled() -> bool:
        return await counted(ground, "enrolment") == done

    async with working(workshop(ground.db, ground.stream)):
        for done in (20, 40):
            before = asked._value.get()
            await ground.stream.append([record_of(did("Signed Up", user=f"u{n}")) for n in range(done - 20, done)])
            await eventually(handled, 60)
            time.sleep(3)  # noqa: ASYNC251 - the fault itself
        await eventually(lambda: _rose(asked, before), 60)
        done = 60
        await ground.stream.append([record_of(did("Signed Up", user=f"u{n}")) for n in range(40, 60)])
        await eventually(handled, 60)


async def _rose(counter: Any, before: float) -> bool:
    return bool(counter._value.get() > before)


async def test_case_23_no_progress_though_there_are_records(ground: Ground) -> None:
    """The last answer is made a minute old. Caught: `stuck` that never says so."""
    worker = open_worker(workshop(ground.db, ground.stream), "m1")
    health = Health([JourneyService(worker, APIRouter())], ground.stream, asyncio.Event())
    await worker.subscription.start()
    try:
        await ground.stream.append([record_of(did("Signed Up"))])
        worker.subscription.rewind(await read_some(worker.subscription))
        assert (await health.live()).status_code == 200
        _a_minute_later(worker.subscription)
        answer = await health.live()
        assert answer.status_code == 503
        assert b"gets nothing from a log that is well" in answer.body
    finally:
        await worker.subscription.close()


def _a_minute_later(subscription: Subscription) -> None:
    reader: Any = subscription._reader
    reader._moved_at -= 61
    for progress in reader._held.values():
        progress.polled_ms = (progress.polled_ms or 0) - 61_000
    reader._note_answers = lambda: None  # and nothing comes any more


def test_case_26_no_lock_is_held_while_records_are_waited_for() -> None:
    """A rebalance that needs it would wait for ever. Caught: `read` inside `async with self._taking`."""
    found = [
        f"{path.relative_to(ROOT)}:{held.lineno}"
        for path in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
        for held in ast.walk(ast.parse(path.read_text()))
        if isinstance(held, ast.AsyncWith)
        and not all("timeout(" in ast.unparse(item) for item in held.items)
        and any(isinstance(one, ast.Await) and WAITS.search(ast.unparse(one)) for one in ast.walk(held))
    ]
    assert found == []


async def test_case_27_a_new_group_starts_at_the_beginning(ground: Ground) -> None:
    """Caught: `latest`."""
    assert CONSUMER["auto_offset_reset"] == "earliest"
    await ground.stream.append([said(f"k{n}", str(n)) for n in range(50)])
    async with subscribed(ground) as subscription:
        assert len(await drain(ground, subscription, 50)) == 50


async def test_case_30_a_record_larger_than_a_fetch(ground: Ground) -> None:
    """3 MB, by another's hand: ours writes at most 900 KB. Caught: what is larger than we write passed over."""
    assert CONSUMER["max_partition_fetch_bytes"] < 3_000_000
    topic, servers = ground.settings.topic_prefix + Topic.EVENTS, ground.settings.log.removeprefix("kafka://")
    await _let_large_ones_in(servers, topic)
    event = did("Signed Up", user="large", properties={"much": "x" * 3_000_000})
    home = ground.stream.partition_of("default/large")
    async with AIOKafkaProducer(bootstrap_servers=servers, max_request_size=4_000_000) as producer:
        for value in (b"{" + b"x" * 3_000_000, encode(event)):
            await _send_once_let_in(producer, topic, value, home)
    await ground.stream.append([record_of(did("Signed Up", user="large", id="after"))])

    async def done() -> bool:
        return await counted(ground, "seen_id") == 2 and await counted(ground, "set_aside") == 1

    async with working(workshop(ground.db, ground.stream)):
        await eventually(done)


async def _send_once_let_in(producer: AIOKafkaProducer, topic: str, value: bytes, home: int) -> None:
    """A broker that was told a new limit keeps to the old one for a moment; what it refuses it has not written."""
    async with asyncio.timeout(30):
        while True:
            with suppress(MessageSizeTooLargeError):
                await producer.send_and_wait(topic, value, key=b"default/large", partition=home)
                return


async def _let_large_ones_in(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        wanted = {"max.message.bytes": "4000000", "message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted)])
    finally:
        await admin.close()


async def test_case_31_poison_is_set_aside_and_those_behind_it_go_on(ground: Ground) -> None:
    """The rule for its own person: the later ones do not wait for it.

    Caught: a batch given up whole, for what nobody can read and for what raises.
    """
    events = [
        Outgoing(Topic.EVENTS, "default/u1", b"{nonsense", "json"),
        Outgoing(Topic.EVENTS, "default/u1", b'{"another": "schema"}', "schema"),
        record_of(did("Boom", user="u1", id="raises")),
        record_of(did("Signed Up", user="u1")),
        *(record_of(did("Signed Up", user=f"u{n}")) for n in range(2, 40)),
    ]
    await ground.stream.append(events)

    async def done() -> bool:
        return await counted(ground, "set_aside") == 3 and await counted(ground, "enrolment") == 39

    async with working(workshop(ground.db, ground.stream, rules=raising("Boom"))) as worker:
        await eventually(done)
        assert worker.subscription.stuck() is None
    kinds = await rows(ground.db, "SELECT kind, count(*) FROM set_aside GROUP BY kind ORDER BY kind")
    assert kinds == [("event", 1), ("record", 2)]


async def test_case_34_a_slow_consumer(ground: Ground) -> None:
    """48 MB wait while one record is in hand for longer than the session timeout. Caught: partitions fetched whole."""
    for _ in range(60):
        await ground.stream.append([said(f"k{n}", token_hex(5_000)) for n in range(80)])
    async with subscribed(ground) as subscription:
        batch = await read_some(subscription, at_most=1)
        before = REBALANCES.labels(Topic.EVENTS, "g")._value.get()
        for _ in range(3):
            await asyncio.sleep(1)  # a handler that takes longer than the session timeout
            assert 0 < _hoarded(subscription) <= 16 * 2**20  # a fetch of each partition, and the next
        await save(ground, subscription, batch)
        assert len(await drain(ground, subscription, 200)) >= 200
        assert REBALANCES.labels(Topic.EVENTS, "g")._value.get() == before


def _hoarded(subscription: Subscription) -> int:
    """The bytes a reader has fetched and not handed out."""
    reader: Any = subscription._reader
    fetched = reader._consumer._fetcher._records.values()
    return sum(one._partition_records._records.size_in_bytes() for one in fetched if hasattr(one, "_partition_records"))


async def test_case_35_the_broker_is_restarted_under_load(broker: Broker, tmp_path: Path, topic_prefix: str) -> None:
    """One broker, in good order: what a rolling restart is to the partitions it leads.

    Caught: a success before the brokers' answer; `acks=0`.
    """
    ground = await open_ground(broker.settings(tmp_path, topic_prefix))
    accepted: list[str] = []
    stop = asyncio.Event()
    try:
        async with ingest_on(ground.settings, ground.db, ground.stream) as client:
            posting = [asyncio.create_task(_post_until(client, f"p{n}", accepted, stop)) for n in range(4)]
            await eventually(lambda: _longer(accepted, 40))
            await asyncio.to_thread(broker.server.stop)
            await asyncio.to_thread(broker.server.start)
            before = len(accepted)
            await eventually(lambda: _longer(accepted, before + 40), 60)
            stop.set()
            await asyncio.gather(*posting)
        async with reading(ground) as reader:
            found: set[str] = set()
            async with asyncio.timeout(30):
                while not found >= set(accepted):
                    found |= {decode_event(one.value).id for one in await reader.read(1000, SOON)}
    finally:
        stop.set()
        await ground.close()


async def _longer(accepted: list[str], than: int) -> bool:
    return len(accepted) > than


async def _post_until(client: httpx2.AsyncClient, name: str, accepted: list[str], stop: asyncio.Event) -> None:
    """Post one event after another; each is answered, after two seconds and a busy machine's pause at the latest."""
    for n in itertools.count():
        if stop.is_set():
            return
        began = time.monotonic()
        answer = await client.post("/v1/track", json=call(messageId=f"{name}-{n}"))
        assert time.monotonic() - began < 5
        assert answer.status_code in (200, 503)
        if answer.status_code == 200:
            accepted.append(f"{name}-{n}")
