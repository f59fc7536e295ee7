"""Standard error of a process: texts that reach it without a logger become log lines too.

These are uncaught faults (of the process, of a thread, of an object that is deleted) and warnings; in production also
texts of libraries and commands, such as the usage of a command. A terminal gets such texts unchanged.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog

log = structlog.stdlib.get_logger("process")


def install(*, as_json: bool) -> None:
    """Install the hooks, and in production the stream. A second call changes nothing."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread_fault
    sys.unraisablehook = _log_unraisable
    if as_json and not isinstance(sys.stderr, LogLineStream) and not sys.stderr.isatty():
        sys.stderr = LogLineStream(sys.stderr)


def supports_colour() -> bool:
    """Return true for a terminal whose user has not disabled colours (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def format_line(event: str, level: str = "error", logger: str = "stderr", **fields: Any) -> bytes:
    """Return a log line without the use of a logger."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode({"event": event, **fields, "level": level, "logger": logger, "timestamp": now}) + b"\n"


def write_now(event: str, logger: str, level: str = "info") -> None:
    """Write a log line at once. Signal handlers may call this at any moment."""
    with suppress(OSError):
        os.write(2, format_line(event, level, logger))


class LogLineStream(io.TextIOBase):
    """Standard error for writers of text: a text that ends a line becomes a log line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        """The original stream, for log lines."""
        self._pending = threading.local()

    def write(self, text: str) -> int:
        """Buffer a text; a line end writes the buffer."""
        waiting = getattr(self._pending, "text", "") + text
        self._pending.text = waiting
        if waiting.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write the buffered text as a log line."""
        text, self._pending.text = getattr(self._pending, "text", ""), ""
        if text.strip():
            self.stream.write(format_line(text.strip("\n")).decode())
        self.stream.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def buffer(self) -> Any:
        """The binary stream below, for writers of whole lines."""
        return self.stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding


def _log_uncaught(kind: type[BaseException], fault: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        log.warning("interrupted")
    else:
        log.critical("ended by a fault", exc_info=(kind, fault, traceback))


def _log_thread_fault(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_type is not SystemExit:
        name = None if fault.thread is None else fault.thread.name
        log.error("thread ended by a fault", thread=name, exc_info=_exc_info(fault))


def _log_unraisable(fault: sys.UnraisableHookArgs) -> None:
    where = getattr(fault.object, "__qualname__", type(fault.object).__qualname__)
    log.error("fault ignored", where=where, reason=fault.err_msg, exc_info=_exc_info(fault))


def _exc_info(fault: Any) -> Any:
    """Return the exception in the form of loggers. Hooks may get a class without an instance."""
    instance = fault.exc_value if fault.exc_value is not None else fault.exc_type()
    return fault.exc_type, instance, fault.exc_traceback
