"""Logs of the shells: JSON lines on stderr, or readable ones on a terminal. Never content: words and numbers of our own only."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from streams.shells.seldom import Seldom

FIELDS_MAX = 200


def set_up(*, verbose: bool = False) -> None:
    """Send structlog and the standard library's loggers to stderr."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_exceptions,
    ]
    terminal = sys.stderr.isatty()
    renderer: structlog.types.Processor = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True  # a request line is content of a caller
    logging.getLogger("clickhouse_driver.connection").disabled = True  # warns at each try: the sink says once that the server is away
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # warns of itself when the machine is busy


def _without_exceptions(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception's text may quote what a parser read: only its class is kept, and long fields are cut."""
    info = event.pop("exc_info", None)
    if info:
        if isinstance(info, BaseException):
            error: BaseException | None = info
        else:
            error = info[1] if isinstance(info, tuple) else sys.exc_info()[1]
        event["error"] = type(error).__name__
    return {name: value[:FIELDS_MAX] if isinstance(value, str) else value for name, value in event.items()}
