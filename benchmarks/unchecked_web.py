"""A web process that can be told to ask nobody for credentials or rights: `python benchmarks/unchecked_web.py FD`.

For one comparison only: what these checks cost. Everything else is the product, and it is the product until SIGUSR1
comes, and again after SIGUSR2. One process for both, since two of the same program differ by more than a check costs.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import config.asgi  # noqa: F401 - loads all doors, so that their names can be replaced
from sessions.management.commands.web import serve
from synckairos.auth import permissions, principal
from synckairos.auth.grants import Role

_SOMEBODY = principal.Principal("player", is_staff=True, expires_s=2.0**33)
_STAFF_ROLE = permissions.SessionRole(Role.STAFF)


def _somebody(_token: str) -> principal.Principal:
    return _SOMEBODY


def _anything(*_asked: Any) -> permissions.SessionRole:
    return _STAFF_ROLE


Functions = dict[str, Callable[..., Any]]
_CHECKS: Functions = {"authenticate": principal.authenticate, "authorize": permissions.authorize}
_NONE: Functions = {"authenticate": _somebody, "authorize": _anything}


def _replace(present: Functions, coming: Functions) -> None:
    """Wherever they have been imported."""
    for module in set(sys.modules.values()) - {principal, permissions}:
        for name, function in present.items():
            if vars(module).get(name) is function:
                setattr(module, name, coming[name])


def main() -> None:
    """Serve, ready to replace every use of the checks."""
    signal.signal(signal.SIGUSR1, lambda *_: _replace(_CHECKS, _NONE))
    signal.signal(signal.SIGUSR2, lambda *_: _replace(_NONE, _CHECKS))
    serve(fd=int(sys.argv[1]))


if __name__ == "__main__":
    main()
