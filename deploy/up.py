"""`make up`: SyncKairos on one machine, until Ctrl-C. See deploy/README.md and docs/operations.md."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import claims
import options
from children import say
from options import Options
from stack import CannotStartError, Stack

_STOPPING = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Run a stack, and return the exit status."""
    os.umask(options.data_directory.UMASK)  # of all children too
    chosen = options.read()
    with claims.claim_directory(chosen.data_dir), claims.listen(chosen.host, chosen.port) as listener:
        return asyncio.run(_run(Stack(chosen, listener)))


async def _run(stack: Stack) -> int:
    asked = _stop_requested()
    starting = asyncio.create_task(stack.start())
    try:
        either: set[asyncio.Future[Any]] = {starting, asked}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            print(_ready_block(stack, await starting), flush=True)
            await asked
    except CannotStartError as reason:
        say(f"SyncKairos cannot start: {reason}")
        return 1
    finally:
        say("stopping")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await stack.stop()
        say("stopped")
    return 0


def _stop_requested() -> asyncio.Future[None]:
    """Return a future that is done when the stack has to end: by Ctrl-C, a supervisor, or the end of the terminal."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not asked.done():
            asked.set_result(None)

    for sig in _STOPPING:
        loop.add_signal_handler(sig, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asked to stay
        loop.add_signal_handler(signal.SIGHUP, stop)
    return asked


def _ready_block(stack: Stack, told: dict[str, str | None]) -> str:
    address = stack.options.address(stack.port)
    lines = [
        f"SyncKairos is ready: http://{address}",
        f"  API docs   http://{address}/api-docs",
        f"  WebSocket  ws://{address}/ws?sessionId=<uuid>",
        f"  Admin      http://{address}/admin/{_login(stack.options, told)}",
    ]
    if token := told.get("token"):
        lines.append(f"  Token      {token}")
    return "\n".join([*lines, f"  Stop       Ctrl-C, or: kill {os.getpid()}"])


def _login(chosen: Options, told: dict[str, str | None]) -> str:
    if "token" not in told:
        return ""  # production: people have their own accounts, and logs no passwords
    password = told.get("password")
    if password is None:
        return "  (user admin, whose password was chosen elsewhere)"
    return f"  (user admin, password {password}, kept in {chosen.data_dir / 'admin_password'})"


if __name__ == "__main__":
    sys.exit(main())
