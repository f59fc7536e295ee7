"""A web process that asks nobody for credentials or rights: `python benchmarks/unchecked_web.py FD`.

For one comparison only: what these checks cost. Everything else is the product.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import config.asgi  # noqa: F401 - loads all doors, so that their names can be replaced
from sessions.serving.server import serve
from synckairos import principal, rights
from synckairos.grants import Role

_SOMEBODY = principal.Principal("player", is_staff=True, expires_s=2.0**33)
_STANDING = rights.Standing(Role.STAFF)


def _somebody(_token: str) -> principal.Principal:
    return _SOMEBODY


def _anything(*_asked: Any) -> rights.Standing:
    return _STANDING


def main() -> None:
    """Serve, with every use of the checks replaced."""
    replaced = {principal.authenticate: _somebody, rights.check: _anything}
    for module in list(sys.modules.values()):
        for name, checked in (("authenticate", principal.authenticate), ("check", rights.check)):
            if module not in {principal, rights} and vars(module).get(name) is checked:
                setattr(module, name, replaced[checked])
    serve(fd=int(sys.argv[1]))


if __name__ == "__main__":
    main()
