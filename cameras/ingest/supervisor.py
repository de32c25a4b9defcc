"""Which cameras are mine: one worker process each, started, fed, watched and replaced here."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from cameras.ingest import reports
from cameras.ingest.uplink import LinkLost, SocketLink, Uplink
from cameras.models.cameras import SWITCHED_OFF

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often the table of cameras is read
SILENCE_S = 5.0  # a worker that says nothing for this long is stuck
START_S = 10.0  # ... or this long at its start, when it loads its libraries
STUCK = "Its reader stopped answering and is being restarted."
REPORT_S = 5.0  # how often an unchanged state is written, so that readers know it is current

Config = dict[str, Any]


class Worker:
    """One camera's process. Owns the process, its link and the task that reads it."""

    def __init__(self, config: Config, uplink: Uplink, attempt: int = 0) -> None:
        self.config = config
        self.camera_id: str = config["camera"]
        self.attempt = attempt
        self._uplink = uplink
        self._link: SocketLink | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reported: tuple[Any, ...] = ()
        self._reported_at = 0.0
        self.quiet_after = time.monotonic() + START_S
        self.watched = False
        self.task = asyncio.create_task(self._run(), name=f"worker {self.camera_id}")

    async def _run(self) -> None:
        if self.config["unreadable"]:
            self.quiet_after = float("inf")
            await self.report("offline", self.config["unreadable"])
            await asyncio.Event().wait()  # until the camera is changed
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cameras.ingest.worker", str(theirs.fileno())],
                cwd=settings.BASE_DIR,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the parent, which ends this one
            )
        self._link = await SocketLink.over(ours)
        try:
            await self._link.send(self.config | {"type": "config", "attempt": self.attempt}, b"")
            await self._link.send({"type": "watched", "watched": self.watched}, b"")
            async for header, payload in self._link.receive():
                self.quiet_after = time.monotonic() + SILENCE_S
                await self._pass_on(header | {"camera": self.camera_id}, payload)
        except LinkLost:
            return
        finally:
            self._link.close()
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _pass_on(self, header: dict[str, Any], payload: bytes) -> None:
        if header["type"] == "still":
            await self._store(reports.store_still, self.camera_id, header["timestamp"], payload)
            return
        if header["type"] == "state":
            self.attempt = header.get("attempt", self.attempt)
            facts = (header["state"], header["since"], header["reason"], header["width"])
            if facts != self._reported or time.monotonic() - self._reported_at > REPORT_S:
                self._reported, self._reported_at = facts, time.monotonic()
                await self._store(reports.store_state, header)
        await self._uplink.send(header, payload)

    async def _store(self, write: Any, *facts: Any) -> None:
        try:
            await database_sync_to_async(write)(*facts)
        except DatabaseError as error:
            log.warning("camera %s: its state could not be stored: %s", self.camera_id, error)

    async def say(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """A packet down; lost where the worker is just being replaced."""
        if self._link is not None:
            try:
                await self._link.send(header, payload)
            except LinkLost:
                return

    async def report(self, state: str, reason: str) -> None:
        """Say and store what the worker cannot: that it failed, or that it was ended."""
        now = int(time.time() * 1000)
        header = {
            "type": "state", "camera": self.camera_id, "state": state, "since": now,
            "reason": reason, "fps": 0.0, "width": 0, "height": 0, "last_frame": None,
        }  # fmt: skip
        await self._pass_on(header, b"")

    async def stop(self) -> None:
        """End the process at once; it keeps nothing that must be saved."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Supervisor:
    """Keeps the set of workers equal to the table of enabled cameras."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self._watched: frozenset[str] = frozenset()

    async def run(self, uplink: Uplink) -> None:
        """Until the uplink is lost or the task is cancelled; then all workers are ended."""
        listener = asyncio.create_task(self._listen(uplink), name="uplink")
        try:
            while not listener.done():
                await self._look(uplink)
                await asyncio.wait([listener], timeout=LOOK_S)
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            await asyncio.gather(*(worker.stop() for worker in self.workers.values()))

    async def _look(self, uplink: Uplink) -> None:
        try:
            configs = await database_sync_to_async(reports.configurations)()
        except DatabaseError as error:
            log.warning("the cameras could not be read: %s", error)
            configs = {key: worker.config for key, worker in self.workers.items()}
        for camera_id in set(self.workers) - set(configs):
            worker = self.workers.pop(camera_id)
            await worker.stop()
            await worker.report("ended", SWITCHED_OFF)
        for camera_id, config in configs.items():
            if camera_id not in self.workers:
                self._start(config, uplink, 0)
                continue
            worker = self.workers[camera_id]
            if worker.config != config:
                await worker.stop()
                self._start(config, uplink, 0)
            elif worker.task.done():
                log.warning("camera %s: its process ended; starting another", camera_id)
                self._start(config, uplink, worker.attempt + 1)
            elif time.monotonic() > worker.quiet_after:
                log.warning("camera %s: its process is stuck; starting another", camera_id)
                await worker.report("offline", STUCK)
                await worker.stop()
                self._start(config, uplink, worker.attempt + 1)

    def _start(self, config: Config, uplink: Uplink, attempt: int) -> None:
        worker = Worker(config, uplink, attempt)
        worker.watched = worker.camera_id in self._watched
        self.workers[worker.camera_id] = worker

    async def _listen(self, uplink: Uplink) -> None:
        try:
            async for header, payload in uplink.receive():
                if header["type"] == "watched":
                    await self._set_watched(frozenset(header["cameras"]))
                elif worker := self.workers.get(header["camera"]):
                    await worker.say(header, payload)
        except LinkLost:
            return

    async def _set_watched(self, watched: frozenset[str]) -> None:
        self._watched = watched
        for worker in self.workers.values():
            if worker.watched != (worker.camera_id in watched):
                worker.watched = not worker.watched
                await worker.say({"type": "watched", "watched": worker.watched})
