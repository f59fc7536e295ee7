"""Standard error of a process: whatever gets there without a logger becomes a line of the log all the same.

That is faults that nobody has caught (of the process, of a thread, of what is being thrown away), warnings, and in
production the text that libraries and commands write, such as the usage of a command. A human at a terminal is spared
the latter.
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
    """From now on; again is harmless."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread_fault
    sys.unraisablehook = _log_unraisable
    if as_json and not isinstance(sys.stderr, LogLineStream) and not sys.stderr.isatty():
        sys.stderr = LogLineStream(sys.stderr)


def supports_colour() -> bool:
    """Whether standard error is a terminal whose owner likes colours (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def format_line(event: str, level: str = "error", logger: str = "stderr", **fields: Any) -> bytes:
    """A line of the log, made without one."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode({"event": event, **fields, "level": level, "logger": logger, "timestamp": now}) + b"\n"


def write_now(event: str, logger: str, level: str = "info") -> None:
    """Write a line at once, as a signal handler may: in the middle of anything."""
    with suppress(OSError):
        os.write(2, format_line(event, level, logger))


class LogLineStream(io.TextIOBase):
    """Standard error for those who only know how to write text: each text that ends a line is a line of the log."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        """Where the lines go, and what is one already."""
        self._pending = threading.local()

    def write(self, text: str) -> int:
        """Take a text; nothing is written before its line ends."""
        waiting = getattr(self._pending, "text", "") + text
        self._pending.text = waiting
        if waiting.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
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
        """The bytes below, for who makes whole lines."""
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
    """As loggers take it. A hook may be told of no instance."""
    instance = fault.exc_value if fault.exc_value is not None else fault.exc_type()
    return fault.exc_type, instance, fault.exc_traceback
