"""Structured logs: one JSON object a line in production, readable in development, the request's ids in every line."""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from synckairos import context


def _with_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for name, value in context.current().items():
        event.setdefault(name, value)
    return event


_SHARED: list[Processor] = [
    _with_context,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_config(*, as_json: bool, level: str) -> dict[str, Any]:
    """A `LOGGING` value: the standard library's records and structlog's go the same way."""
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        # Plain tracebacks: the pretty ones show local variables, and tokens among them.
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # These say what our own access log says, or quote addresses with tokens in them.
            "uvicorn.access": {"level": "WARNING", "propagate": True, "handlers": []},
            "uvicorn.error": {"level": "WARNING", "propagate": True, "handlers": []},
            "django.request": {"level": "CRITICAL", "propagate": True, "handlers": []},
            "httpx": {"level": "WARNING"},
        },
    }


def configure() -> None:
    """Make structlog hand its events to the standard library's handlers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class _Stderr:
    """Where lines go. The stream is looked up each time, since tests exchange it."""

    def msg(self, line: bytes) -> None:
        """Write a line at once."""
        sys.stderr.buffer.write(line + b"\n")
        sys.stderr.buffer.flush()

    debug = info = msg


def _readable(_logger: Any, _method: str, event: EventDict) -> bytes:
    """A line for people. What a client chose is quoted unless it is harmless, so that it cannot look like another."""
    head = f"{event.pop('timestamp')} [{event.pop('level')}] {event.pop('event')}"
    values = ((name, str(value)) for name, value in event.items())
    return " ".join([head, *(f"{n}={v if v.isprintable() and ' ' not in v else repr(v)}" for n, v in values)]).encode()


def _json(_logger: Any, _method: str, event: EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


def access_log(*, as_json: bool, level: str) -> Any:
    """The log of requests, whose line is the hottest of all: the same fields, without the standard library's logging,
    which costs five times what the line does."""
    return structlog.wrap_logger(
        _Stderr(),
        processors=[
            _with_context,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _json if as_json else _readable,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
    ).bind(logger="synckairos.http.gate")
