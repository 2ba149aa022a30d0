"""What the log holds, counted by its own means: after a row, against what was answered."""

import asyncio
import sqlite3

from aiokafka import AIOKafkaConsumer, TopicPartition

from dangol.topics import Topic
from dangol_bench.ground import PARTITIONS, Ground, Home


async def events_in(ground: Ground, place: Home) -> int:
    """How many events the log has. Of SQLite: once its process has ended."""
    if ground.embedded:
        return await asyncio.to_thread(_rows, place.db.removeprefix("sqlite:///"))
    consumer = AIOKafkaConsumer(bootstrap_servers=place.log.partition("://")[2])
    await consumer.start()
    try:
        places = [TopicPartition(place.prefix + Topic.EVENTS, number) for number in range(PARTITIONS)]
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


def _rows(path: str) -> int:
    with sqlite3.connect(path) as conn:
        found = conn.execute("SELECT count(*) FROM logged WHERE topic = ?", (Topic.EVENTS.value,)).fetchone()[0]
    conn.close()
    return int(found)
