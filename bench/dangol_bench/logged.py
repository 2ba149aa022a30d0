"""What a log holds, read by its own means once the product has ended: whose record it took when."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from dangol.codec import decode_event, decode_spoken
from dangol.messages import Message
from dangol.topics import Topic
from dangol_bench.ground import PARTITIONS, Ground, Home

Records = list[tuple[bytes, datetime]]


async def events_posted(ground: Ground, place: Home, name: str) -> dict[int, datetime]:
    """The log's moment of each person's first event of this name, by the person's number."""
    found: dict[int, datetime] = {}
    for value, at in await _records(ground, place, Topic.EVENTS):
        event = decode_event(value)
        if event.name == name and event.user_id:
            found.setdefault(int(event.user_id[1:]), at)
    return found


async def messages_in(ground: Ground, place: Home) -> dict[int, datetime]:
    """The log's moment of each person's first message, by the person's number."""
    found: dict[int, datetime] = {}
    for value, at in await _records(ground, place, Topic.MESSAGES):
        spoken = decode_spoken(value)
        if isinstance(spoken, Message) and spoken.user_id:
            found.setdefault(int(spoken.user_id[1:]), at)
    return found


async def _records(ground: Ground, place: Home, topic: Topic) -> Records:
    if ground.embedded:
        return await asyncio.to_thread(_of_sqlite, place.db.removeprefix("sqlite:///"), topic)
    return await _of_kafka(place, topic)


def _of_sqlite(path: str, topic: Topic) -> Records:
    conn = sqlite3.connect(path)
    rows = conn.execute("SELECT value, at FROM logged WHERE topic = ? ORDER BY id", (topic.value,)).fetchall()
    conn.close()
    return [(bytes(value), datetime.fromisoformat(at)) for value, at in rows]


async def _of_kafka(place: Home, topic: Topic) -> Records:
    consumer = AIOKafkaConsumer(bootstrap_servers=place.log.partition("://")[2])
    await consumer.start()
    try:
        places = [TopicPartition(place.prefix + topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        records: list[Any] = []
        end = sum((await consumer.end_offsets(places)).values())
        while len(records) < end:
            page = await consumer.getmany(timeout_ms=1000)
            records += [record for ones in page.values() for record in ones]
        return [(record.value, datetime.fromtimestamp(record.timestamp / 1e3, UTC)) for record in records]
    finally:
        await consumer.stop()
