"""Wires that lead nowhere, for tests of what stands before them."""

from __future__ import annotations


class NoWire:
    """Takes nothing."""

    on_writable = on_blocked = direct = None
    is_open = True
    is_writable = False

    def take(self, frame):
        return False
