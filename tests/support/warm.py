"""Fetches and starts what the tests need before they run: no test waits for a download."""

import sys
from collections.abc import Callable

from tests.support import browser, node, servers
from tests.support.programs import Unobtainable


def warm() -> None:
    """One line for each server and program; the servers linger long enough for the tests to find them."""
    ways: dict[str, Callable[[], object]] = {
        "PostgreSQL": lambda: touch("postgres"),
        "Kafka": lambda: touch("kafka"),
        "Chromium": browser.find,
        "JavaScript clients": node.install,
    }
    for what, bring in ways.items():
        try:
            told = str(bring())
        except Unobtainable as reason:
            told = f"not here: {reason}"
        sys.stderr.write(f"dangol:   {what}: {told}\n")


def touch(kind: servers.Kind) -> str:
    """The URL of the shared server, which runs now."""
    with servers.shared(kind) as url:
        return url


if __name__ == "__main__":
    warm()
