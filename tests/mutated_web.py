"""A web process whose commit script was broken on purpose: `python -m tests.mutated_web PORT LUA_FILE`."""

from __future__ import annotations

import sys
from hashlib import sha1
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()

from sessions.management.commands.web import serve
from sessions.store import writes

if __name__ == "__main__":
    port, lua = int(sys.argv[1]), Path(sys.argv[2])
    writes._SCRIPT.source = lua.read_text()
    writes._SCRIPT.sha = sha1(writes._SCRIPT.source.encode()).hexdigest()
    serve(port=port)
