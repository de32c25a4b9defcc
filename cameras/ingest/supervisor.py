"""The cameras that are mine: one reader each, started, fed, watched and replaced here."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Container

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from cameras.ingest import configurations
from cameras.ingest.custom_models.store import FailureCount
from cameras.ingest.leases.embedded import Leases
from cameras.ingest.metrics import Totals
from cameras.ingest.state_writer import StateWriter
from cameras.ingest.uplink import Link, LinkLost, Packet
from cameras.ingest.worker_process import SILENCE_S, Config, WorkerProcess
from cameras.live.demand import read_wishes
from cameras.live.variants import Wish
from cameras.models.states import SWITCHED_OFF
from project.tasks import end

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often the table of cameras is read
SLOW_S = 1.0  # a look that took longer tells nothing about the readers
HUNG_S = 8.0  # how long native code hung before a worker ended itself: see stream.py
NO_ANSWER = "Its reader stopped answering and is being restarted."


class Supervisor:
    """Keeps the set of workers equal to the enabled cameras of which the leases are ours."""

    def __init__(self, leases: Leases) -> None:
        self.workers: dict[str, WorkerProcess] = {}
        self.totals = Totals()
        self._leases = leases
        self._configs: dict[str, Config] = {}  # as they were read last
        self._wishes: dict[str, list[Wish]] = {}
        self._recorder = StateWriter(leases.doubt)
        self._blame = FailureCount()
        self._early = PendingFrames()

    async def run(self, uplink: Link) -> None:
        """Until the uplink is lost or the task is cancelled; then all readers are ended.

        Raises what ended one of its own tasks, for that is a fault of ours.
        """
        tasks = [
            asyncio.create_task(self._listen(uplink), name="uplink"),
            asyncio.create_task(self._recorder.run(), name="recorder"),
            asyncio.create_task(self._leases.run(), name="leases"),
            asyncio.create_task(self._follow_leases(uplink), name="followed leases"),
        ]
        try:
            while not any(task.done() for task in tasks):
                await self._look(uplink)
                await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await end(*tasks)
            await asyncio.gather(*(reader.stop() for reader in self.workers.values()))
            await self._leases.close()

    async def _look(self, uplink: Link) -> None:
        began = time.monotonic()
        configs: dict[str, Config] | None = None
        self._early.forget(began)
        try:
            configs = await database_sync_to_async(configurations.configurations)()
        except DatabaseError as error:
            log.warning("the cameras could not be read: %s", error)
        if time.monotonic() - began > SLOW_S:
            for reader in self.workers.values():
                reader.excuse()
        if configs is not None:
            self._early.only(configs, began)
            await self._adopt(configs)
        for camera_id, config in self._configs.items():
            current = self.workers.get(camera_id)
            if current is None:
                self._start(config, uplink)
            else:
                await self._keep(current, config, uplink)
                await self._judge(current)

    async def _adopt(self, configs: dict[str, Config]) -> None:
        """Go by these from now on; whoever is no longer among them is switched off."""
        self._configs = configs
        for camera_id in set(self.workers) - set(configs):
            if reader := self.workers.pop(camera_id, None):
                await reader.stop()
                await reader.report("ended", SWITCHED_OFF)
                await self._leases.release(camera_id)
        self._leases.want(configs.keys())

    async def _follow_leases(self, uplink: Link) -> None:
        """At once, whatever the database does: who lost a camera must not read on."""
        while True:
            await self._leases.changed.wait()
            self._leases.changed.clear()
            await asyncio.gather(*(self._give_up(camera_id) for camera_id in self._leases.leaving))
            for camera_id, reader in self.workers.items():
                reader.fence = self._leases.fence(camera_id) or reader.fence
            for camera_id in self._configs.keys() - self.workers.keys():
                self._start(self._configs[camera_id], uplink)

    async def _give_up(self, camera_id: str) -> None:
        """Without a word to viewers: another process reads it, or will in a moment."""
        if reader := self.workers.pop(camera_id, None):
            await reader.stop()
        await self._leases.release(camera_id)

    async def _keep(self, reader: WorkerProcess, config: Config, uplink: Link) -> None:
        """Let it be, or put another in its place."""
        if reader.config != config and not await reader.adopt(config):
            await reader.stop()
            self._start(config, uplink)
        elif reader.task.done():
            # A fault of ours in its task is told too, not only that of its process.
            fault = None if reader.task.cancelled() else reader.task.exception()
            log.warning(
                "camera %s: its process ended; starting another", reader.camera_id, exc_info=fault
            )
            # What it hung was the wait: the camera need not be spared longer.
            waited = HUNG_S if reader.exit_status == os.EX_TEMPFAIL else 0.0
            self._start(config, uplink, reader.attempt + 1, waited)
        elif reader.stuck:
            log.warning("camera %s: its process is stuck; starting another", reader.camera_id)
            await reader.report("offline", NO_ANSWER)
            await reader.stop()
            self._start(config, uplink, reader.attempt + 1, SILENCE_S)

    async def _judge(self, reader: WorkerProcess) -> None:
        """Own models that failed while they were used: too often, and they are used no more."""
        while reader.complaints:
            model, sentence = reader.complaints.popleft()
            log.warning("camera %s: its own model failed: %s", reader.camera_id, sentence)
            if self._blame.note(model):
                try:
                    await database_sync_to_async(configurations.refuse_model)(model, sentence)
                except DatabaseError as error:
                    log.warning("the model %s could not be refused: %s", model, error)

    def _start(self, config: Config, uplink: Link, attempt: int = 0, waited: float = 0.0) -> None:
        """Nothing where the camera is not ours, or was started by the other task meanwhile."""
        fence, former = self._leases.fence(config["camera"]), self.workers.get(config["camera"])
        if fence is None or (former is not None and not former.task.done()):
            return
        reader = WorkerProcess(config, uplink, self._recorder, self.totals, attempt, waited)
        reader.fence = fence
        reader.wishes = self._wishes.get(reader.camera_id, [])
        reader.early = self._early.take(reader.camera_id, time.monotonic())
        self.workers[reader.camera_id] = reader

    async def _listen(self, uplink: Link) -> None:
        try:
            async for header, payload in uplink.receive():
                if header["type"] == "wishes":
                    await self._set_wishes(read_wishes(header), header.get("new", {}))
                elif reader := self.workers.get(header["camera"]):
                    await reader.push(header, payload)
                elif not self._leases.elsewhere(header["camera"]):
                    self._early.put((header, payload), time.monotonic())
        except LinkLost:
            return

    async def _set_wishes(self, wishes: dict[str, list[Wish]], new: dict[str, list[int]]) -> None:
        self._wishes = wishes
        for camera_id, reader in self.workers.items():
            await reader.wish(wishes.get(camera_id, []), new.get(camera_id, []))


MOST = 16  # cameras; the one that has waited longest goes
KEEP_S = 5.0  # by then its reader is another process's, or there is none


class PendingFrames:
    """The newest such frame of each camera, at monotonic seconds.

    Bound: `MOST` for `KEEP_S`, which is 128 MiB: a push is at most 8 MiB.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Packet]] = {}

    def put(self, packet: Packet, now: float) -> None:
        """Keep a `push` packet, over an older one of its camera."""
        camera_id = packet[0]["camera"]
        self._kept.pop(camera_id, None)
        self.forget(now)
        if len(self._kept) == MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[camera_id] = now, packet

    def take(self, camera_id: str, now: float) -> Packet | None:
        """What was kept for it, once."""
        self.forget(now)
        return self._kept.pop(camera_id, (0.0, None))[1]

    def only(self, cameras: Container[str], looked: float) -> None:
        """These were switched on at a look that began then: others, pushed before, are off."""
        self._kept = {k: v for k, v in self._kept.items() if k in cameras or v[0] >= looked}

    def forget(self, now: float) -> None:
        """What nobody fetched in time."""
        self._kept = {k: each for k, each in self._kept.items() if now - each[0] < KEEP_S}
