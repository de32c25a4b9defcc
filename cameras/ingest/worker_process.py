"""One camera's worker process as its supervisor sees it: started, listened to, stopped."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cameras.ingest.fork_client import ForkClient, ForkedProcess
from cameras.ingest.links import Link, LinkLost, Packet, SocketLink
from cameras.ingest.metrics import Totals
from cameras.ingest.state_writer import StateWriter
from cameras.live.frames import RUN_BITS
from cameras.live.variants import Demand
from project.tasks import end

log = logging.getLogger(__name__)

SILENCE_S = 5.0  # a worker that sends nothing for this long is stuck
START_S = 10.0  # the same while it starts
EXIT_S = 0.5  # how long a worker that closed its link may take to end by itself
TAKEN_OVER_S = 3.0  # a camera just taken over may have no picture here for this long
REPORT_S = 5.0  # how often an unchanged state is stored, so that `reported_at` stays current

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standby:
    """Whether a standby opens the camera beside its reader, and what it calls.

    First when it has loaded its libraries, then when it is ready.
    """

    opens: bool
    on_loaded: Callable[[], None]
    on_ready: Callable[[], None]


class WorkerProcess:
    """Owns the process, its link and the task that reads the link.

    `attempt` counts the starts since the last picture; `waited` is the part of the next back-off
    that is already over, in seconds. `first_run` is the number of its first run of frames within
    the lease, above `last_run` of the worker before.

    A standby is a worker of a camera that another process still reads. What it sends is dropped
    until `activate`, and `on_ready` is called when it may be activated: when it has pictures or, if
    it does not open the camera until then, when it has loaded its libraries.
    """

    def __init__(
        self,
        config: Config,
        web_link: Link,
        forks: ForkClient,
        state_writer: StateWriter,
        totals: Totals,
        attempt: int = 0,
        waited: float = 0.0,
        first_run: int = 0,
        standby: Standby | None = None,
    ) -> None:
        self.config = config
        self.camera_id: str = config["camera"]
        self.attempt, self._waited = attempt, waited
        self._first_run = self.last_run = first_run
        self.standby = standby
        self._last_state: dict[str, Any] | None = None  # of a standby
        self._activated_at = -math.inf  # monotonic seconds
        self._web_link, self._forks = web_link, forks
        self._state_writer, self._totals = state_writer, totals
        self._link: SocketLink | None = None
        self._process: ForkedProcess | None = None
        self._stored: tuple[Any, ...] = ()
        self._stored_at = 0.0
        self.silence_deadline = time.monotonic() + START_S
        self.demand: list[Demand] = []
        self.fence = 0  # the lease's fencing token, set by the supervisor
        self.pending_frame: Packet | None = None  # pushed before the process runs
        self.model_failures: deque[tuple[str, str]] = deque(maxlen=8)  # model id, sentence
        self.task = asyncio.create_task(self._run(), name=f"worker {self.camera_id}")

    @property
    def is_stuck(self) -> bool:
        """Whether the worker has been silent for too long."""
        return time.monotonic() > self.silence_deadline

    @property
    def exit_status(self) -> int | None:
        """Exit status of the ended process, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.returncode

    def reset_silence_timer(self) -> None:
        """Restart the silence timer: the supervisor itself was blocked."""
        self.silence_deadline = max(self.silence_deadline, time.monotonic() + SILENCE_S)

    async def _run(self) -> None:
        await self._announce_masks()
        if self.config["unusable"]:
            self.silence_deadline = float("inf")
            await self.report("offline", self.config["unusable"])
            await asyncio.Event().wait()  # until the camera is changed
        self.silence_deadline = math.inf  # the fork server has its own time limits
        try:
            self._process, self._link = await self._forks.start("camera", self.camera_id)
        except OSError as error:
            log.warning("camera %s: its worker could not be started: %s", self.camera_id, error)
            return
        self.silence_deadline = time.monotonic() + START_S
        try:
            if self.standby is None or self.standby.opens:
                await self._configure()
            async for header, payload in self._link.receive():
                self.silence_deadline = time.monotonic() + SILENCE_S
                if self.standby is not None:
                    self._note_readiness(self.standby, header)
                    continue
                if header["type"] == "loaded":
                    continue
                header |= self._identity()
                if header["type"] == "frame":
                    self.last_run = self._first_run + header["run"]
                    header["run"] = (self.fence << RUN_BITS) + self.last_run
                elif header["type"] == "state":
                    if self._has_nothing_to_say(header):
                        continue
                    header["viewers"] = sum(each.viewers for each in self.demand)
                await self._forward(header, payload)
        except LinkLost:
            with suppress(TimeoutError):  # for its exit status, if it is just ending
                await asyncio.wait_for(self._process.wait(), EXIT_S)
        finally:
            self._link.close()
            self._process.kill()
            await self._process.wait()

    async def _announce_masks(self) -> None:
        if self.standby is None:
            with suppress(LinkLost):  # the supervisor notices by itself
                await self._web_link.send({"type": "masks"} | self._identity(), b"")

    async def _configure(self) -> None:
        """Let the worker begin. Raises `LinkLost`."""
        assert self._link is not None
        start = {"type": "config", "attempt": self.attempt, "waited": self._waited}
        await self._link.send(self.config | start, b"")
        await self._link.send(self._demand_packet(), b"")
        if self.pending_frame is not None:
            await self._link.send(*self.pending_frame)
            self.pending_frame = None

    def _note_readiness(self, standby: Standby, header: dict[str, Any]) -> None:
        """Look at a standby's packet. A push camera's worker has pictures as soon as they come."""
        if header["type"] == "state":
            self._last_state = header
            if header["state"] == "live" or self.config["kind"] == "push":
                standby.on_ready()
        elif header["type"] == "loaded":
            standby.on_loaded()
            if not standby.opens:
                standby.on_ready()

    async def activate(self, fence: int) -> None:
        """Publish what this standby sends from now on: the camera is leased with this fence."""
        standby, self.standby, self.fence = self.standby, None, fence
        self._activated_at = time.monotonic()
        self.silence_deadline = self._activated_at + START_S
        await self._announce_masks()
        with suppress(LinkLost):
            if standby is not None and not standby.opens:
                if self._link is not None:  # otherwise it is configured as it starts
                    await self._configure()
            elif self._last_state and not self._has_nothing_to_say(self._last_state):
                await self._forward(self._last_state | self._identity(), b"")

    def _has_nothing_to_say(self, state: Mapping[str, Any]) -> bool:
        """Whether the state only says that a camera, just taken over, has no picture here yet.

        Viewers have pictures of it from the process before, and notice by themselves if those
        become stale.
        """
        is_new = time.monotonic() - self._activated_at < TAKEN_OVER_S
        return is_new and state["last_frame"] is None

    async def _forward(self, header: dict[str, Any], payload: bytes) -> None:
        """Send a packet to the web, then queue its state or still for the database."""
        if header["type"] == "still":
            values = (header["fence"], header["timestamp"], payload, header["mask_version"])
            self._state_writer.put_still(self.camera_id, *values)
            return
        if header["type"] == "model":
            self.model_failures.append((header["model"], header["failure"]))
            return
        await self._web_link.send(header, payload)
        if header["type"] == "state":
            self._totals.add(header)
            self.attempt = header.get("attempt", self.attempt)
            values = (header["state"], header["since"], header["reason"], header["width"])
            if values != self._stored or time.monotonic() - self._stored_at > REPORT_S:
                self._stored, self._stored_at = values, time.monotonic()
                self._state_writer.put_state(header)

    async def apply_config(self, config: Config) -> bool:
        """Switch to this configuration. False if that takes a new process."""
        if self.config | {"model": config.get("model")} != config:
            return False
        self.config = config
        await self.send({"type": "detector", "model": config.get("model")})
        return True

    async def set_demand(self, demand: list[Demand], new: Sequence[int] = ()) -> None:
        """Set the widths and rates to encode; the worker receives them only if they changed.

        `new` are widths of which some web process has no picture yet, though others have.
        """
        former = self._demand_packet()
        self.demand = demand
        if new or self._demand_packet() != former:
            await self.send(self._demand_packet() | {"new": [*new]})

    def _demand_packet(self) -> dict[str, Any]:
        rates = sorted((each.width, each.fps) for each in self.demand)
        return {"type": "demand", "rates": rates}

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send a packet to the worker; it is lost while the worker is being replaced."""
        if self._link is not None:
            try:
                await self._link.send(header, payload)
            except LinkLost:
                return

    async def push(self, header: dict[str, Any], payload: bytes) -> None:
        """Send a pushed frame to the worker; keep the newest until the process has started."""
        if self._link is None:
            self.pending_frame = header, payload
        await self.send(header, payload)

    async def report(self, state: str, reason: str) -> None:
        """Send and store a state that the worker cannot report itself: failed, or stopped."""
        if self.standby is not None:
            return
        now = int(time.time() * 1000)
        header = {
            "type": "state", "state": state, "since": now, "reason": reason,
            "fps": 0.0, "width": 0, "height": 0, "last_frame": None,
        }  # fmt: skip
        await self._forward(header | self._identity(), b"")

    def _identity(self) -> dict[str, Any]:
        """Header fields: the camera, its fence, and the version of the masks on its pictures."""
        mask_version = self.config["mask_version"]
        return {"camera": self.camera_id, "fence": self.fence, "mask_version": mask_version}

    async def stop(self) -> None:
        """End the process at once; it holds nothing that must be saved."""
        await end(self.task)
