"""Logs: one JSON object a line, with an action, without secrets."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dangol import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIETER}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_a_json_object_with_its_action(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("info")
    structlog.get_logger().info("partitions taken", action="partitions_taken", partitions=[1, 2])
    structlog.get_logger().debug("not this")
    (line,) = lines(capsys)
    assert (line["action"], line["event"], line["level"], line["partitions"]) == (
        "partitions_taken",
        "partitions taken",
        "info",
        [1, 2],
    )


def test_a_library_logs_in_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("info")
    logging.getLogger("aiokafka.consumer").warning("heartbeat\nfailed: %s", "dk_secret_abcdefgh")
    logging.getLogger("aiokafka.consumer").info("not this")
    (line,) = lines(capsys)
    assert (line["action"], line["event"]) == ("library", "heartbeat\nfailed: ***")


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("authorization", "Bearer abc", "***"),
        ("key", "dk_b_abc", "***"),
        ("error", "unknown key dk_s_Ab-9_x in the query", "unknown key *** in the query"),
        ("url", "postgresql://me:p4ss@db/x", "postgresql://***@db/x"),
        ("url", "smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
    ],
)
def test_secrets_are_masked(field: str, value: str, shown: str) -> None:
    assert logs.masked(None, "info", {field: value}) == {field: shown}
