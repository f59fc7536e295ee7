"""A web process whose commit script was broken on purpose: `python -m tests.mutated_web PORT LUA_FILE`."""

from __future__ import annotations

import sys
from hashlib import sha1
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()

from sessions.serving.server import serve
from sessions.store import store

if __name__ == "__main__":
    port, lua = int(sys.argv[1]), Path(sys.argv[2])
    store._COMMIT.source = lua.read_text()
    store._COMMIT.sha = sha1(store._COMMIT.source.encode()).hexdigest()
    serve(port=port)
