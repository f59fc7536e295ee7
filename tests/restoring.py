"""Work with the database beside a running event loop, for tests that lose the store under connected clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Do what needs the database in a thread, which leaves no connection to it."""

    def run() -> T:
        with closing(connection):
            return work(*arguments)

    return await asyncio.to_thread(run)
