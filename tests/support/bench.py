"""`just bench`: `dangol bench` on both sides, with a Kafka and a PostgreSQL of its own, whose commits are durable."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.support import kafka, postgres
from tests.support.product import DANGOL
from tests.support.server import Server

# The tests' servers may lose a commit with the power; a product's may not, and what that costs is to be measured.
DURABLE = ("-c", "fsync=on", "-c", "full_page_writes=on")


@contextmanager
def own_servers() -> Iterator[tuple[str, str]]:
    """(kafka://…, postgresql://…) of servers nobody else uses, gone when the block ends."""
    launch = postgres.prepare()
    database = Server(replace(launch, command=(*launch.command, *DURABLE)), postgres.answers)
    try:
        broker = Server(kafka.prepare(), kafka.answers)
        try:
            yield broker.url, database.url
        finally:
            broker.remove()
    finally:
        database.remove()


def main() -> int:
    """Run it with these servers and whatever else was asked."""
    with own_servers() as (log, db):
        return subprocess.run([DANGOL, "bench", "--log", log, "--db", db, *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
