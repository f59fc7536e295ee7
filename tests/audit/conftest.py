"""Fixtures of the audit's tests: a database that fails on demand, and real sessions."""

from uuid import UUID

import pytest
from django.db import connection

from sessions.services import sessions
from synckairos.redis.procedures import run_blocking
from tests.outboxes import ALICE


@pytest.fixture
def failing():
    """`failing(text, error)` is a context in which statements that mention the text fail."""

    def make(text, error):
        def wrapper(execute, sql, params, many, context):
            if text in f"{sql} {params!r}":
                raise error
            return execute(sql, params, many, context)

        return connection.execute_wrapper(wrapper)

    return make


@pytest.fixture
def real():
    """Drives real sessions through the service: `real(create)`, `real(session_id, command)`."""

    def drive(target, command=None, caller=ALICE):
        if isinstance(target, UUID):
            return run_blocking(sessions.execute(target, command, caller)).state
        return run_blocking(sessions.create(target, None, caller)).state

    return drive
