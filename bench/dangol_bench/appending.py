"""The reference of batches: a process that writes the same records, awaiting each write, and does nothing else."""

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from dangol.db_open import PRAGMAS
from dangol.kafka.connection import PRODUCER
from dangol.kafka.home import home_of
from dangol.stream import Outgoing
from dangol_bench import shapes
from dangol_bench.ground import PARTITIONS
from dangol_bench.stored import records_of
from dangol_bench.talk import answer_lines, live

AT_ONCE = 32  # requests' worth of events a write: as many as are in the air with 32 connections
TABLE = "CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, topic TEXT, at TEXT, key TEXT, value BLOB)"
INSERT = "INSERT INTO records (topic, at, key, value) VALUES (?, ?, ?, ?)"


def written_at_once(each: int) -> list[Outgoing]:
    """The records of one write."""
    return [record for number in range(AT_ONCE) for record in records_of(shapes.batch("ref", each), number)]


async def to_kafka(asked: dict[str, Any]) -> float:
    """`create_batch`, `send_batch`, all awaited, again and again; events a second."""
    by_partition: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    for record in written_at_once(asked["each"]):
        by_partition[home_of(record.key, PARTITIONS)].append((record.key.encode(), record.value))
    producer = AIOKafkaProducer(bootstrap_servers=asked["servers"], **PRODUCER)
    await producer.start()
    try:
        written, began = 0, time.perf_counter()
        while time.perf_counter() < began + asked["seconds"]:
            written += await _send(producer, asked["topic"], by_partition)
        return written / (time.perf_counter() - began)
    finally:
        await producer.stop()


async def _send(producer: Any, topic: str, by_partition: dict[int, list[tuple[bytes, bytes]]]) -> int:
    waiting = []
    for partition, records in by_partition.items():
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                waiting.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        waiting.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*waiting)
    return sum(len(records) for records in by_partition.values())


def to_sqlite(asked: dict[str, Any]) -> float:
    """One transaction a write, with the product's own pragmas; events a second."""
    conn = sqlite3.connect(asked["path"], isolation_level=None)
    for pragma in PRAGMAS:
        conn.execute(f"PRAGMA {pragma}")
    conn.execute(TABLE)
    rows = _rows(written_at_once(asked["each"]))
    written, began = 0, time.perf_counter()
    while time.perf_counter() < began + asked["seconds"]:
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany(INSERT, rows)
        conn.execute("COMMIT")
        written += len(rows)
    took = time.perf_counter() - began
    conn.close()
    return written / took


def _rows(records: Sequence[Outgoing]) -> list[tuple[str, str, str, bytes]]:
    return [(one.topic.value, "2026-01-01T00:00:00.000000+00:00", one.key, one.value) for one in records]


async def answer(asked: dict[str, Any]) -> Any:
    """One round."""
    return to_sqlite(asked) if asked["do"] == "sqlite" else await to_kafka(asked)


if __name__ == "__main__":
    live(answer_lines(answer))
