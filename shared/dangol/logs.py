"""Logs: one JSON object a line on stderr, each with a stable `action`; keys and passwords never get there."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = frozenset({"authorization", "password", "secret", "token", "key", "api_key", "cookie"})
SECRET_TEXT = re.compile(r"dk_(?:secret|b|s)_[\w-]+|(?<=://)[^/@\s:]*:[^@\s]+(?=@)")
QUIETER = ("aiokafka", "aiosqlite", "asyncio", "httpx2", "httpcore2", "sqlalchemy", "uvicorn", "watchfiles")
Fields = MutableMapping[str, Any]


def start(level: str = "info") -> None:
    """Log from `level` (debug, info, warning, error) on; what libraries log, from warning on."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named,
        masked,
    ]
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for name in QUIETER:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def masked(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Take out what must not be read in a log, by its name and by its look."""
    for name, value in fields.items():
        if name.lower() in SECRET_NAMES:
            fields[name] = "***"
        elif isinstance(value, str):
            fields[name] = SECRET_TEXT.sub("***", value)
    return fields


def _named(_logger: Any, _method: str, fields: Fields) -> Fields:
    """What a library logs has no action of its own."""
    fields.setdefault("action", "library")
    return fields
