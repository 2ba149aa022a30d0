"""A key's partition, as every Kafka client computes it: murmur2 of its UTF-8."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def home_of(key: str, partitions: int) -> int:
    """The partition of a key among so many."""
    hashed: int = murmur2(key.encode())
    return (hashed & 0x7FFFFFFF) % partitions
