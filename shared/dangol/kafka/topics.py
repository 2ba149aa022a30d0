"""The topics on the brokers: made by us with what our promises need, and refused where they are otherwise."""

from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dangol.errors import Invalid, Unavailable
from dangol.kafka.connection import Connection
from dangol.settings import Settings
from dangol.topics import Topic

KEPT = timedelta(days=7)


async def ensure_topics(connection: Connection, settings: Settings) -> int:
    """Make the missing topics; the number of partitions all of them have. Raises `Unavailable`, `Invalid`."""
    admin = AIOKafkaAdminClient(**connection.arguments(), request_timeout_ms=10_000)
    try:
        await admin.start()
        await _make(admin, settings)
        async for attempt in _while_the_word_spreads():
            with attempt:
                partitions = await _inspect(admin, settings)
        return partitions
    except (KafkaError, OSError) as error:
        raise Unavailable(f"the log does not answer: {error}") from error
    finally:
        await admin.close()


def _while_the_word_spreads() -> AsyncRetrying:
    """A topic just made is not known to every broker at once."""
    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable), wait=wait_fixed(0.1), stop=stop_after_delay(15), reraise=True
    )


async def _make(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    names = [settings.topic_prefix + topic for topic in Topic]
    known = {found["topic"] for found in await admin.describe_topics() if not found["error_code"]}
    missing = [name for name in names if name not in known]
    if not missing:
        return
    brokers = len((await admin.describe_cluster())["brokers"])
    replicas = min(settings.replication, brokers)
    wanted = [
        NewTopic(name, settings.partitions, replicas, topic_configs=_configuration(replicas, brokers))
        for name in missing
    ]
    response = await admin.create_topics(wanted, timeout_ms=10_000)
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # another process was quicker
            raise Unavailable(f"the topic {name} could not be made: {error.__name__}")


def _configuration(replicas: int, brokers: int) -> dict[str, str]:
    return {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(int(KEPT / timedelta(milliseconds=1))),
        "min.insync.replicas": str(max(1, replicas - 1)),
        "unclean.leader.election.enable": "false",
        "cleanup.policy": "delete",
    }


async def _inspect(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    names = [settings.topic_prefix + topic for topic in Topic]
    found: dict[str, int] = {}
    for topic in await admin.describe_topics(names):
        found[topic["topic"]] = len(topic["partitions"])
    if 0 in found.values() or len(found) < len(names):
        raise Unavailable("the brokers are still making the topics")
    if len(set(found.values())) > 1:
        raise Invalid(
            "bad_topics",
            f"the topics have different numbers of partitions: {found}",
            hint="a person's home is one partition number in all topics: make them anew with one number",
        )
    await _refuse_create_time(admin, names)
    return next(iter(found.values()))


async def _refuse_create_time(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    wanted = {"message.timestamp.type": None}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted) for name in names]
    for response in await admin.describe_configs(asked):
        for _code, _message, _type, name, entries in response.resources:
            kinds = _values(entries)
            if kinds.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
                raise Invalid(
                    "bad_topics",
                    f"the topic {name} keeps the writer's time",
                    hint=f"set message.timestamp.type=LogAppendTime on {name}",
                )


def _values(entries: list[tuple[Any, ...]]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries}
