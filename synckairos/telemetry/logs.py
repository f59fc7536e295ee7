"""Structured logs: one JSON object a line in production, readable in development, with the log context in each."""

from __future__ import annotations

import asyncio
import atexit
import logging
import logging.config
import sys
import time
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from synckairos.instants import as_iso_second
from synckairos.telemetry import log_context, stderr


def _add_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for name, value in log_context.current().items():
        event.setdefault(name, value)
    return event


_SHARED: list[Processor] = [
    _add_context,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_config(*, as_json: bool, level: str) -> dict[str, Any]:
    """Return a `LOGGING` value that formats records of the standard library and of structlog in the same way."""
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        # Plain tracebacks, since pretty ones show local variables, and so tokens.
        else [
            structlog.dev.ConsoleRenderer(
                colors=stderr.supports_colour(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    handler = {"class": "logging.StreamHandler", "formatter": "structured"}
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
        # The original stream: stderr.py makes log lines of texts on the other one, which log lines need not pass.
        "handlers": {"stderr": handler | ({"stream": "ext://sys.__stderr__"} if as_json else {})},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # These repeat the access log, or quote addresses with tokens in them.
            "uvicorn": {"propagate": True, "handlers": []},
            "uvicorn.access": {"level": "WARNING", "propagate": True, "handlers": []},
            "uvicorn.error": {"level": "WARNING", "propagate": True, "handlers": []},
            "django.request": {"level": "CRITICAL", "propagate": True, "handlers": []},
            # The security log has one line for each unknown host name, without a traceback.
            "django.security.DisallowedHost": {"level": "CRITICAL", "propagate": True, "handlers": []},
            "httpx": {"level": "WARNING"},
            # Celery writes two lines for each task, and one task runs every second.
            "celery": {"level": "WARNING" if level == "INFO" else level},
        },
    }


def configure(config: dict[str, Any], *, as_json: bool) -> None:
    """Apply `logging_config` at once, before Django is set up too. Events of structlog go to the standard handlers."""
    logging.config.dictConfig(config)
    stderr.install(as_json=as_json)
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


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger for a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


MAX_DELAY_S = 0.05
"""Seconds that a line of the access log may wait for others."""


class AccessLog:
    """The log of requests. It writes the fields and forms of structlog in less time, since every request has a line."""

    def __init__(self, *, as_json: bool, level: str) -> None:
        self._as_json = as_json
        self._level: int = getattr(logging, level)
        self._requests: list[tuple[float, int, dict[str, Any], dict[str, Any]]] = []
        """Requests that are not written yet: instant, level, fields, context."""
        self._writer: asyncio.AbstractEventLoop | None = None
        """The event loop that is going to write them. A loop that is closed first never does."""
        atexit.register(self.flush)

    def log_request(self, level: int, *, method: str, path: str, status: int, ms: float) -> None:
        """Log a request, when the level is enabled.

        Its line is written within `MAX_DELAY_S`, together with others: one write for each would cost a system call.
        """
        if level < self._level:
            return
        request = {"event": "request", "method": method, "path": path, "status": status, "ms": ms}
        self._requests.append((time.time(), level, request, log_context.current()))
        if self._writer is not None and not self._writer.is_closed():
            return  # that loop writes this request too
        try:
            self._writer = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._writer.call_later(MAX_DELAY_S, self.flush)

    def flush(self) -> None:
        """Write the waiting lines. Formatting many in a row halves the processor time of each."""
        requests, self._requests, self._writer = self._requests, [], None
        form = _json_line if self._as_json else _text_line
        lines = [form(*request) for request in requests]
        with suppress(OSError, ValueError):  # a closed stream must not fail requests
            # Looked up each time, since tests replace it.
            sys.stderr.buffer.write(b"\n".join([*lines, b""]))
            sys.stderr.buffer.flush()


def _timestamp(at_s: float) -> str:
    return f"{as_iso_second(int(at_s))}.{int(at_s % 1 * 1000):03d}Z"


def _json_line(at_s: float, level: int, request: dict[str, Any], context: dict[str, Any]) -> bytes:
    name = "info" if level == logging.INFO else "debug"
    ends = {"logger": "synckairos.http.request_log", "level": name, "timestamp": _timestamp(at_s)}
    return msgspec.json.encode({**request, **context, **ends})


def _text_line(at_s: float, level: int, request: dict[str, Any], context: dict[str, Any]) -> bytes:
    name = "info" if level == logging.INFO else "debug"
    path, others = _quoted(request["path"]), ""
    for field, value in context.items():
        others += f" {field}={_quoted(str(value)) if field in _CLIENT_CHOSEN else value}"
    line = f"request method={request['method']} path={path} status={request['status']} ms={request['ms']}{others}"
    return f"{_timestamp(at_s)} [{name}] {line} logger=synckairos.http.request_log".encode(errors="backslashreplace")


_CLIENT_CHOSEN = frozenset({"principal", "session_id", "route"})
"""Fields with values that clients choose. They are quoted unless harmless, so that they cannot imitate other fields."""


def _quoted(text: str) -> str:
    return text if " " not in text and text.isprintable() else repr(text)
