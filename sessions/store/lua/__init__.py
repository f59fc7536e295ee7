"""The Lua scripts of the store, one file each."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
