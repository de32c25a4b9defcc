"""The ingest process as a child of the web server, for installations without Redis."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time

from django.conf import settings

from cameras.ingest.links import LinkLost, SocketLink, start_process
from cameras.ingest.metrics import Totals
from cameras.live import channel_groups
from cameras.live.demand import (
    STARTING_S,
    DemandByCamera,
    Handover,
    demand_packet,
    push_packet,
    without_process,
)
from project.child_processes import bare_environment

log = logging.getLogger(__name__)

COMMAND = ("manage.py", "ingest", "--link")
RESTART_S = 1.0
TERMINATE_S = 1.5  # after SIGTERM, before SIGKILL


class IngestChild:
    """Owns `manage.py ingest`: starts it, publishes its packets, restarts it if it ends.

    Also the web side's `IngestLink`. Bound: the link's backlog; frames beyond it are dropped.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: SocketLink | None = None
        self._ended_at = time.monotonic()

    async def run(self) -> None:
        """Run until cancelled; then stop the child."""
        try:
            while True:
                try:
                    await self._run_once()
                    log.warning("the ingest process ended; starting it again")
                except OSError as error:
                    log.error("the ingest process could not be started, trying again: %s", error)
                except Exception:
                    log.exception("the ingest process was lost; starting it again")
                await asyncio.sleep(RESTART_S)
        finally:
            self.stop()

    async def _run_once(self) -> None:
        began = time.monotonic()
        environment = bare_environment() | settings.CHILD_ENVIRONMENT
        self._process, self._link = await start_process(*COMMAND, environment=environment)
        try:
            async for header, payload in self._link.receive():
                if header["type"] == "state":
                    self.totals.add(header)
                await channel_groups.publish(header["camera"], header, payload)
        except LinkLost:
            pass
        finally:
            self._link.close()
            self._link = None
            if time.monotonic() - began > STARTING_S:  # one that ends at once is no working process
                self._ended_at = time.monotonic()
            await asyncio.to_thread(self._reap)

    async def send_demand(self, demand: DemandByCamera) -> None:
        """Send the current demand; dropped while no child runs."""
        await self._send(demand_packet(demand), b"")

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> Handover:
        """Send a pushed frame. `BUSY` if the child's backlog is full."""
        if await self._send(push_packet(camera_id, timestamp), jpeg):
            return Handover.TAKEN
        return without_process(self._ended_at) if self._link is None else Handover.BUSY

    async def _send(self, header: dict[str, object], payload: bytes) -> bool:
        if self._link is None:
            return False
        try:
            return await self._link.send(header, payload)
        except LinkLost:
            return False

    def stop(self) -> None:
        """Close the link, which ends the child and its workers; kill it if it does not end."""
        if self._link is not None:
            self._link.close()
        self._reap()

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
