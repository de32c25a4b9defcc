"""One camera's worker process as its supervisor sees it: started, listened to, ended."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cameras.ingest.isolation import bare_environment
from cameras.ingest.metrics import Totals
from cameras.ingest.state_writer import StateWriter
from cameras.ingest.uplink import Link, LinkLost, Packet, SocketLink, start
from cameras.live.variants import Wish
from project.tasks import end

log = logging.getLogger(__name__)

COMMAND = ("-m", "cameras.ingest.worker.main")
SILENCE_S = 5.0  # a worker that says nothing for this long is stuck
START_S = 10.0  # ... or this long at its start, when it loads its libraries
REPORT_S = 5.0  # how often an unchanged state is written, so that readers know it is current

Config = dict[str, Any]


class WorkerProcess:
    """Owns the process, its link and the task that listens to it.

    `attempt` counts the starts without a picture since the last one; `waited` is how many seconds
    of the next start's back-off are already over.
    """

    def __init__(
        self,
        config: Config,
        uplink: Link,
        recorder: StateWriter,
        totals: Totals,
        attempt: int = 0,
        waited: float = 0.0,
    ) -> None:
        self.config = config
        self.camera_id: str = config["camera"]
        self.attempt, self._waited = attempt, waited
        self._uplink, self._recorder, self._totals = uplink, recorder, totals
        self._link: SocketLink | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reported: tuple[Any, ...] = ()
        self._reported_at = 0.0
        self.quiet_after = time.monotonic() + START_S
        self.wishes: list[Wish] = []
        self.fence = 0  # of the lease, which its supervisor knows
        self.early: Packet | None = None  # a pushed frame that waits for the process
        self.complaints: deque[tuple[str, str]] = deque(maxlen=8)  # own models, what they did
        self.task = asyncio.create_task(self._run(), name=f"reader {self.camera_id}")

    @property
    def stuck(self) -> bool:
        """Whether it has been silent for too long."""
        return time.monotonic() > self.quiet_after

    @property
    def exit_status(self) -> int | None:
        """The ended process's; negative for a signal."""
        return None if self._process is None else self._process.returncode

    def excuse(self) -> None:
        """Forget its silence: we did not listen."""
        self.quiet_after = max(self.quiet_after, time.monotonic() + SILENCE_S)

    async def _run(self) -> None:
        with suppress(LinkLost):  # which our supervisor sees for itself
            await self._uplink.send({"type": "masks"} | self._names(), b"")
        if self.config["unreadable"]:
            self.quiet_after = float("inf")
            await self.report("offline", self.config["unreadable"])
            await asyncio.Event().wait()  # until the camera is changed
        try:
            self._process, self._link = await start(
                *COMMAND, self.camera_id, environment=bare_environment()
            )
        except OSError as error:
            log.warning("camera %s: its process could not be started: %s", self.camera_id, error)
            return
        try:
            terms = {"type": "config", "attempt": self.attempt, "waited": self._waited}
            await self._link.send(self.config | terms, b"")
            await self._link.send(self._wishes_packet(), b"")
            if self.early is not None:
                await self._link.send(*self.early)
                self.early = None
            async for header, payload in self._link.receive():
                self.quiet_after = time.monotonic() + SILENCE_S
                header |= self._names()
                if header["type"] == "state":
                    header["viewers"] = sum(wish.viewers for wish in self.wishes)
                await self._pass_on(header, payload)
        except LinkLost:
            await asyncio.to_thread(self._wait, 0.5)  # it may be about to end with its reason
        finally:
            self._link.close()
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _wait(self, seconds: float) -> None:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    async def _pass_on(self, header: dict[str, Any], payload: bytes) -> None:
        """To the viewers first; the database may take its time."""
        if header["type"] == "still":
            facts = (header["fence"], header["timestamp"], payload, header["mark"])
            self._recorder.still(self.camera_id, *facts)
            return
        if header["type"] == "model":
            self.complaints.append((header["model"], header["failure"]))
            return
        await self._uplink.send(header, payload)
        if header["type"] == "state":
            self._totals.note(header)
            self.attempt = header.get("attempt", self.attempt)
            facts = (header["state"], header["since"], header["reason"], header["width"])
            if facts != self._reported or time.monotonic() - self._reported_at > REPORT_S:
                self._reported, self._reported_at = facts, time.monotonic()
                self._recorder.state(header)

    async def adopt(self, config: Config) -> bool:
        """Go on by this configuration. False where it takes another process to do so."""
        if self.config | {"model": config.get("model")} != config:
            return False
        self.config = config
        await self.say({"type": "detector", "model": config.get("model")})
        return True

    async def wish(self, wishes: list[Wish], new: Sequence[int] = ()) -> None:
        """Have these widths made, as often as that. The worker hears of it where it is news, and
        which widths are `new` to a process that wishes, though others have them."""
        former = self._wishes_packet()
        self.wishes = wishes
        if new or self._wishes_packet() != former:
            await self.say(self._wishes_packet() | {"new": [*new]})

    def _wishes_packet(self) -> dict[str, Any]:
        rates = sorted((wish.width, wish.fps) for wish in self.wishes)
        return {"type": "wishes", "rates": rates}

    async def say(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """A packet down; lost where the worker is just being replaced."""
        if self._link is not None:
            try:
                await self._link.send(header, payload)
            except LinkLost:
                return

    async def push(self, header: dict[str, Any], payload: bytes) -> None:
        """A pushed frame down; the newest waits where the process is only being started."""
        if self._link is None:
            self.early = header, payload
        await self.say(header, payload)

    async def report(self, state: str, reason: str) -> None:
        """Say and store what the worker cannot: that it failed, or that it was ended."""
        now = int(time.time() * 1000)
        header = {
            "type": "state", "state": state, "since": now, "reason": reason,
            "fps": 0.0, "width": 0, "height": 0, "last_frame": None,
        }  # fmt: skip
        await self._pass_on(header | self._names(), b"")

    def _names(self) -> dict[str, Any]:
        """Whose packets these are, and which masks their pictures have."""
        mark = self.config["mark"]
        return {"camera": self.camera_id, "fence": self.fence, "mark": mark}

    async def stop(self) -> None:
        """End the process at once; it keeps nothing that must be saved."""
        await end(self.task)
