"""Supervision of the cameras: one worker process per camera, started, checked and replaced here."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Container
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from cameras.ingest import configurations
from cameras.ingest.custom_models.store import FailureCount
from cameras.ingest.fork_client import ForkClient
from cameras.ingest.leases.embedded import Leases
from cameras.ingest.leases.handovers import Taking
from cameras.ingest.links import Link, LinkLost, Packet
from cameras.ingest.metrics import Totals
from cameras.ingest.state_writer import StateWriter
from cameras.ingest.worker_process import SILENCE_S, Config, Standby, WorkerProcess
from cameras.live.demand import read_demand
from cameras.live.variants import Demand
from cameras.models.states import SWITCHED_OFF
from project.database.errors import unavailability
from project.tasks import URGENT_S, LongTask, end, restarts, start, supervise, suppress_and_log

log = logging.getLogger(__name__)

POLL_S = 0.5  # how often the cameras are read from the database
SLOW_POLL_S = 1.0  # after a poll that took longer, the silence of a worker proves nothing
HUNG_S = 8.0  # how long native code hung before a worker ended itself: see worker/watchdog.py
OPENED_ONCE = ("device",)  # kinds of cameras that only one process can open
NO_ANSWER = "Reading this camera got stuck; starting again."


class Supervisor:
    """Keeps one worker running for each enabled camera whose lease this process holds."""

    def __init__(self, leases: Leases) -> None:
        self.workers: dict[str, WorkerProcess] = {}
        self.totals = Totals()
        self._leases = leases
        self._forks = ForkClient()
        self._configs: dict[str, Config] = {}  # of the last successful poll
        self._demand: dict[str, list[Demand]] = {}
        self._state_writer = StateWriter(leases.report_stale_fence)
        self._model_failures = FailureCount()
        self._pending_frames = PendingFrames()
        self._standbys: dict[str, WorkerProcess] = {}  # of cameras that are being taken over
        self._is_ending = asyncio.Event()
        restarts["worker"] += 0  # a rate needs the value before the first restart

    def end_in_order(self) -> None:
        """Let `run` return once other processes have taken over the cameras."""
        self._is_ending.set()

    async def run(self, link: Link) -> None:
        """Run until the link to the web is lost or the task is cancelled; then stop all workers.

        Raises the exception that ended the reading of the link, or the hand-over of the cameras.
        """
        runs: dict[str, LongTask] = {
            "state writer": self._state_writer.run,
            "leases": self._leases.run,
            "lease changes": lambda: self._follow_leases(link),
            "camera polls": lambda: self._run_polls(link),
        }
        supervised = [supervise(run, name, max_pause_s=URGENT_S) for name, run in runs.items()]
        until = {
            start(self._receive(link), "link"),
            start(self._drain(), "hand-over of all cameras"),
        }
        try:
            done, _ = await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*until, *supervised)
            every = (*self.workers.values(), *self._standbys.values())
            await asyncio.gather(*(worker.stop() for worker in every))
            await self._forks.close()
            await self._leases.close()

    async def _run_polls(self, link: Link) -> None:
        while True:
            await self._poll(link)
            await asyncio.sleep(POLL_S)

    async def _drain(self) -> None:
        await self._is_ending.wait()
        await self._leases.drain()

    async def _poll(self, link: Link) -> None:
        """Read the configurations, then start, replace or stop workers accordingly."""
        began = time.monotonic()
        configs: dict[str, Config] | None = None
        self._pending_frames.expire(began)
        try:
            configs = await database_sync_to_async(configurations.load_configurations)()
        except DatabaseError as error:
            if unavailability(error) is None:
                raise
            log.warning("the cameras could not be read from the database: %s", error)
        if time.monotonic() - began > SLOW_POLL_S:
            for worker in self.workers.values():
                worker.reset_silence_timer()
        if configs is not None:
            self._pending_frames.keep_only(configs, began)
            await self._apply(configs)
        for camera_id, config in self._configs.items():
            with suppress_and_log("camera %s: its worker could not be checked", camera_id):
                await self._check(config, link)

    async def _check(self, config: Config, link: Link) -> None:
        current = self.workers.get(config["camera"])
        if current is None:
            self._start(config, link)
        else:
            await self._reconcile(current, config, link)
            await self._count_model_failures(current)

    async def _apply(self, configs: dict[str, Config]) -> None:
        """Replace the known configurations; stop the workers of cameras that are switched off."""
        self._configs = configs
        for camera_id in set(self.workers) - set(configs):
            if worker := self.workers.pop(camera_id, None):
                await worker.stop()
                await worker.report("ended", SWITCHED_OFF)
                self._leases.release(camera_id)
        self._leases.set_cameras(configs.keys())

    async def _follow_leases(self, link: Link) -> None:
        """Apply lease changes at once, even while the database hangs.

        A process that lost a camera must not go on reading it.
        """
        while True:
            await asyncio.gather(*(self._release(camera_id) for camera_id in self._leases.leaving))
            for camera_id, worker in self.workers.items():
                worker.fence = self._leases.fence(camera_id) or worker.fence
            await self._tend_standbys(link)
            for camera_id in self._configs.keys() - self.workers.keys():
                self._start(self._configs[camera_id], link)
            await self._leases.changed.wait()
            self._leases.changed.clear()

    async def _tend_standbys(self, link: Link) -> None:
        """Activate the standbys whose cameras are ours now, stop those not needed, start others."""
        takings = self._leases.takings
        for camera_id, worker in [*self._standbys.items()]:
            fence, taking = self._leases.fence(camera_id), takings.get(camera_id)
            assert worker.standby is not None
            if fence is not None and camera_id not in self.workers and not worker.task.done():
                self.workers[camera_id] = self._standbys.pop(camera_id)
                await worker.activate(fence)
            elif taking is None or (taking.releases_first and worker.standby.opens):
                await self._standbys.pop(camera_id).stop()
        for camera_id in takings.keys() & self._configs.keys():
            if camera_id not in self._standbys and camera_id not in self.workers:
                self._start_standby(self._configs[camera_id], link, takings[camera_id])

    def _start_standby(self, config: Config, link: Link, taking: Taking) -> None:
        camera_id = config["camera"]
        opens = config["kind"] not in OPENED_ONCE and not taking.releases_first
        standby = Standby(
            opens,
            lambda: self._leases.report_loaded(camera_id),
            lambda: self._leases.report_ready(camera_id, is_open=opens),
        )
        worker = WorkerProcess(
            config, link, self._forks, self._state_writer, self.totals, standby=standby
        )
        worker.demand = self._demand.get(camera_id, [])
        self._standbys[camera_id] = worker

    async def _release(self, camera_id: str) -> None:
        """Stop the worker and release the camera.

        Viewers get no state: another process reads the camera already, or will in a moment.
        """
        try:
            if worker := self.workers.pop(camera_id, None):
                await worker.stop()
        finally:
            self._leases.release(camera_id)
            self.totals.forget(camera_id)

    async def _reconcile(self, worker: WorkerProcess, config: Config, link: Link) -> None:
        """Replace the worker if its configuration changed, its process ended or it is stuck."""
        if worker.config != config and not await worker.apply_config(config):
            await worker.stop()
            self._start(config, link)
        elif worker.task.done():
            # The task may have failed although the process did not.
            error = None if worker.task.cancelled() else worker.task.exception()
            log.warning(
                "camera %s: its worker ended; starting another", worker.camera_id, exc_info=error
            )
            restarts["worker"] += 1
            # The time that the worker hung counts as back-off.
            waited = HUNG_S if worker.exit_status == os.EX_TEMPFAIL else 0.0
            self._start(config, link, worker.attempt + 1, waited)
        elif worker.is_stuck:
            log.warning("camera %s: its worker is stuck; starting another", worker.camera_id)
            restarts["worker"] += 1
            await worker.report("offline", NO_ANSWER)
            await worker.stop()
            self._start(config, link, worker.attempt + 1, SILENCE_S)

    async def _count_model_failures(self, worker: WorkerProcess) -> None:
        """Count the failures of custom models; disable a model that fails too often."""
        while worker.model_failures:
            model, sentence = worker.model_failures.popleft()
            log.warning("camera %s: its custom model failed: %s", worker.camera_id, sentence)
            if self._model_failures.note(model):
                try:
                    await database_sync_to_async(configurations.disable_model)(model, sentence)
                except DatabaseError as error:
                    if unavailability(error) is None:
                        raise
                    log.warning("the model %s could not be disabled: %s", model, error)

    def _start(self, config: Config, link: Link, attempt: int = 0, waited: float = 0.0) -> None:
        """Start a worker, unless the camera is not leased or the other task started one already."""
        fence, former = self._leases.fence(config["camera"]), self.workers.get(config["camera"])
        if fence is None or (former is not None and not former.task.done()):
            return
        if config["camera"] in self._standbys:
            return  # it is activated in a moment
        first_run = 0 if former is None else former.last_run + 1
        worker = WorkerProcess(
            config, link, self._forks, self._state_writer, self.totals, attempt, waited, first_run
        )
        worker.fence = fence
        worker.demand = self._demand.get(worker.camera_id, [])
        worker.pending_frame = self._pending_frames.take(worker.camera_id, time.monotonic())
        self.workers[worker.camera_id] = worker

    async def _receive(self, link: Link) -> None:
        """Handle packets from the web until the link is lost."""
        try:
            async for header, payload in link.receive():
                with suppress_and_log("a packet from the web could not be handled"):
                    await self._handle(header, payload)
        except LinkLost:
            return

    async def _handle(self, header: dict[str, Any], payload: bytes) -> None:
        if header["type"] == "demand":
            await self._set_demand(read_demand(header), header.get("new", {}))
        elif worker := self._worker(header["camera"]):
            await worker.push(header, payload)
        elif not self._leases.is_held_elsewhere(header["camera"]):
            self._pending_frames.put((header, payload), time.monotonic())

    def _worker(self, camera_id: str) -> WorkerProcess | None:
        return self.workers.get(camera_id) or self._standbys.get(camera_id)

    async def _set_demand(self, demand: dict[str, list[Demand]], new: dict[str, list[int]]) -> None:
        self._demand = demand
        for camera_id, worker in (*self.workers.items(), *self._standbys.items()):
            await worker.set_demand(demand.get(camera_id, []), new.get(camera_id, []))


MAX_PENDING = 16  # cameras; the oldest entry is dropped
PENDING_S = 5.0  # by then the camera's worker runs, here or in another process, or there is none


class PendingFrames:
    """The newest pushed frame of each camera that has no worker yet. Times: monotonic seconds.

    Bound: `MAX_PENDING` frames for `PENDING_S`, which is 128 MiB: a push is at most 8 MiB.
    """

    def __init__(self) -> None:
        self._frames: dict[str, tuple[float, Packet]] = {}

    def put(self, packet: Packet, now: float) -> None:
        """Keep a `push` packet; it replaces an older one of the same camera."""
        camera_id = packet[0]["camera"]
        self._frames.pop(camera_id, None)
        self.expire(now)
        if len(self._frames) == MAX_PENDING:
            del self._frames[next(iter(self._frames))]
        self._frames[camera_id] = now, packet

    def take(self, camera_id: str, now: float) -> Packet | None:
        """Remove and return the camera's frame; None if there is none."""
        self.expire(now)
        return self._frames.pop(camera_id, (0.0, None))[1]

    def keep_only(self, cameras: Container[str], polled_at: float) -> None:
        """Drop frames of cameras not in `cameras`, the enabled ones of a poll begun at `polled_at`.

        Frames that arrived since then stay: their camera may be newer than the poll.
        """
        self._frames = {k: v for k, v in self._frames.items() if k in cameras or v[0] >= polled_at}

    def expire(self, now: float) -> None:
        """Drop frames older than `PENDING_S`."""
        self._frames = {k: each for k, each in self._frames.items() if now - each[0] < PENDING_S}
