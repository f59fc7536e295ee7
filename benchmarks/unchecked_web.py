"""A web process that asks nobody for credentials: `python benchmarks/unchecked_web.py FD`.

For one comparison only: what the check of a token costs. Everything else is the product.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import config.asgi  # noqa: F401 - loads all doors, so that their names can be replaced
from sessions.serving.server import serve
from synckairos import principal

_SOMEBODY = principal.Principal("unchecked", is_staff=True, expires_s=2.0**33)


def _constant(_token: str) -> principal.Principal:
    return _SOMEBODY


def main() -> None:
    """Serve, with every use of the check replaced."""
    checked = principal.authenticate
    for module in list(sys.modules.values()):
        if vars(module).get("authenticate") is checked:
            module.authenticate = _constant  # type: ignore[attr-defined]
    serve(fd=int(sys.argv[1]))


if __name__ == "__main__":
    main()
