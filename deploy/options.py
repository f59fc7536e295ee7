"""The options of a stack: environment variables, all checked before any process starts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from environs import Env, EnvError
from marshmallow.validate import Range

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
try:
    # The other scripts have these from here.
    from config import environment as environment  # noqa: PLC0414
    from synckairos import data_directory as data_directory  # noqa: PLC0414
except OSError as error:
    sys.exit(f"SyncKairos cannot start; SYNCKAIROS_DATA_DIR cannot be used: {error}")

_MOST_WEB_WORKERS = 4
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what to show for them


@dataclass(frozen=True)
class Options:
    """The place of one stack on the machine."""

    host: str
    port: int
    """Number of the port; 0 takes any free one."""
    web_workers: int
    data_dir: Path

    def address(self, port: int) -> str:
        """Return host and port as in a URL, for a client on this machine."""
        host = _WILDCARDS.get(self.host, self.host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read() -> Options:
    """Return the options of this process. Exits with a message that names every fault."""
    env = Env(eager=False)
    options = Options(
        host=env.str("HOST", "") or "127.0.0.1",
        port=env.int("PORT", 8000, validate=Range(0, 65_535)),
        web_workers=env.int("WEB_WORKERS", min(_cores(), _MOST_WEB_WORKERS), validate=Range(1, 64)),
        data_dir=environment.DATA_DIR,
    )
    try:
        env.seal()
    except EnvError as wrong:
        lines = [f"  {name}: {' '.join(messages)}" for name, messages in sorted(wrong.error_messages.items())]
        sys.exit("\n".join(["SyncKairos cannot start; these environment variables are wrong:", *lines]))
    return options


def children_environment(options: Options) -> dict[str, str]:
    """Return the environment of every process of the stack."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SYNCKAIROS_DATA_DIR": str(options.data_dir),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir(options)),
        "SYNCKAIROS_RUN_DIR": os.environ.get("SYNCKAIROS_RUN_DIR") or str(options.data_dir / "run"),
        "PYTHONUNBUFFERED": "1",
        # Everything stops within ten seconds; there is no balancer, and clients on one machine need no long farewell.
        "SYNCKAIROS_LAME_DUCK_S": os.environ.get("SYNCKAIROS_LAME_DUCK_S", "0"),
        "SYNCKAIROS_DRAIN_S": os.environ.get("SYNCKAIROS_DRAIN_S", "2"),
    }


def metrics_dir(options: Options) -> Path:
    """Return the directory in which the processes of one run share their metrics."""
    return options.data_dir / "metrics"


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
