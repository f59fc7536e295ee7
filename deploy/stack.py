"""All processes of SyncKairos on one machine, with the order in which they start and stop."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

import commands
import readiness
from children import Child, ChildEnvironment, say
from options import ROOT, Options, children_environment, data_directory, environment, metrics_dir

# Together under ten seconds, which is what is promised.
_WEB_STOPS_WITHIN_S = 6.0
_OTHERS_STOP_WITHIN_S = 2.0
_STORE_STOPS_WITHIN_S = 1.5
_STORE_STARTS_WITHIN_S = 30.0
_RECALL_EVERY_S = 15.0
_PAUSE_S = 0.05


class CannotStartError(Exception):
    """The stack cannot start; the text has the reason."""


@dataclass
class Stack:
    """The processes, in the order in which they start; they stop in the reverse order."""

    options: Options
    listener: socket.socket
    around: ChildEnvironment = field(init=False)
    store: Child | None = None
    webs: list[Child] = field(default_factory=list)
    others: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        shared = self.listener.fileno()
        directory = metrics_dir(self.options)
        shutil.rmtree(directory, ignore_errors=True)  # numbers of processes that are no more
        directory.mkdir(mode=0o700, parents=True)
        self.around = ChildEnvironment(children_environment(self.options), ROOT, (shared,))

    async def start(self) -> dict[str, str | None]:
        """Start everything, and return the values to be shown when `/ready` answers 200. Raises CannotStartError."""
        if self.socket_path is not None:
            await self._start_store(self.socket_path)
        told = await self._prepare()
        web = commands.web(self.listener.fileno())
        # What users would miss comes first: starting is work for the processor, and cores are few.
        self.webs.append(self._child("web 1", web))
        self.others.append(self._child("timekeeper", commands.timekeeper()))
        await self._ready()
        self.webs += [self._child(f"web {n}", web) for n in range(2, self.options.web_workers + 1)]
        self.others.append(self._child("worker", commands.worker(), is_patient=True))
        self.others.append(self._child("beat", commands.beat(self.options.data_dir)))
        return told

    async def stop(self) -> None:
        """Stop the web processes first, then the background processes, then the store that they need."""
        await _stop_all(self.webs, _WEB_STOPS_WITHIN_S)
        await _stop_all(self.others, _OTHERS_STOP_WITHIN_S)
        if self.store is not None and self.socket_path is not None:
            await self.store.stop(_STORE_STOPS_WITHIN_S)
            self.socket_path.unlink(missing_ok=True)

    @property
    def socket_path(self) -> Path | None:
        """Path of the embedded store's socket; None when REDIS_URL names another store."""
        path = environment.embedded_socket(self.options.data_dir)
        is_embedded = f"unix://{path}" == environment.REDIS_URL
        return path if is_embedded else None

    @property
    def port(self) -> int:
        """Return the port of the web processes."""
        return int(self.listener.getsockname()[1])

    def _child(self, name: str, command: list[str], *, is_patient: bool = False) -> Child:
        return Child(name, command, self.around, is_patient).start()

    async def _start_store(self, socket_path: Path) -> None:
        if socket_path.parent != self.options.data_dir:
            try:
                # Or somebody else could listen in the store's place.
                data_directory.make_private_directory(socket_path.parent)
            except OSError as error:
                raise CannotStartError(f"the embedded store has nowhere to listen: {error}") from None
        self.store = self._child("store", commands.store(self.options.data_dir, socket_path))
        try:
            await asyncio.wait_for(readiness.store_answers(socket_path), _STORE_STARTS_WITHIN_S)
        except TimeoutError:
            raise CannotStartError("the embedded store does not answer; its messages are above") from None

    async def _prepare(self) -> dict[str, str | None]:
        """Prepare the databases before any process serves, so that none has an older schema than itself."""
        process = await self.around.spawn(commands.prepare(), asyncio.subprocess.PIPE)
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise CannotStartError("it could not be prepared; the reason is above")
        told: dict[str, str | None] = json.loads(output)
        return told

    async def _ready(self) -> None:
        """Wait until `/ready` answers 200, without a limit: an external server may still be starting."""
        waited_s = 0.0
        named = next((host for host in environment.ALLOWED_HOSTS if "*" not in host), "localhost").lstrip(".")
        host = self.options.address(0).rpartition(":")[0].strip("[]")
        while True:
            ready, said = await readiness.web_answers(host, self.port, named)
            if ready:
                return
            await asyncio.sleep(_PAUSE_S)
            waited_s += _PAUSE_S
            if waited_s >= _RECALL_EVERY_S:
                waited_s = 0.0
                say(f"not ready yet: {said}")


async def _stop_all(children: list[Child], within_s: float) -> None:
    await asyncio.gather(*(child.stop(within_s) for child in children))
