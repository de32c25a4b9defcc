"""The ingest process as a child of the web server, for installations without Redis."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections import Counter
from typing import Any

from django.conf import settings

from cameras.ingest.links import LinkLost, SocketLink, start_process
from cameras.ingest.metrics import Totals
from cameras.live import channel_groups
from cameras.live.demand import (
    STARTING_S,
    DemandByCamera,
    Verdict,
    demand_packet,
    push_packet,
    without_process,
)
from project.child_processes import bare_environment
from project.tasks import restarts, suppress_and_log

log = logging.getLogger(__name__)

COMMAND = ("manage.py", "ingest", "--link")
MAX_RESTART_S = 5.0  # the longest pause before it is started again
SILENCE_S = 30.0  # a process that sends nothing for this long, not even its report, is stuck
TERMINATE_S = 1.5  # after SIGTERM, before SIGKILL


class IngestChild:
    """Owns `manage.py ingest`: starts it and publishes its packets. To be supervised.

    Also the web side's `IngestLink`. Bound: the link's backlog; frames beyond it are dropped.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: SocketLink | None = None
        self._ended_at = time.monotonic()
        self._restarts: Counter[str] = Counter()  # that the child has reported

    async def run(self) -> None:
        """Run the child until it ends. Raises `OSError` if it cannot be started or is stuck."""
        began = time.monotonic()
        self._restarts.clear()
        environment = bare_environment() | settings.CHILD_ENVIRONMENT
        self._process, self._link = await start_process(*COMMAND, environment=environment)
        try:
            packets = self._link.receive()
            while True:
                async with asyncio.timeout(SILENCE_S):
                    header, payload = await anext(packets)
                with suppress_and_log("a packet of the ingest process was not published"):
                    await self._publish(header, payload)
        except (LinkLost, StopAsyncIteration):
            pass
        finally:
            self._link.close()
            self._link = None
            self.totals.forget_all()
            if time.monotonic() - began > STARTING_S:  # one that ends at once is no working process
                self._ended_at = time.monotonic()
            await asyncio.to_thread(self._reap)

    async def _publish(self, header: dict[str, Any], payload: bytes) -> None:
        if header["type"] == "restarts":
            for name, count in header["counts"].items():
                restarts[name] += count - self._restarts[name]
                self._restarts[name] = count
            return
        if header["type"] == "state":
            self.totals.add(header)
        await channel_groups.publish(header["camera"], header, payload)

    async def send_demand(self, demand: DemandByCamera) -> None:
        """Send the current demand; dropped while no child runs."""
        await self._send(demand_packet(demand), b"")

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes, arrived_at: float) -> Verdict:
        """Send a pushed frame. `BUSY` if the child's backlog is full."""
        if await self._send(push_packet(camera_id, timestamp, arrived_at), jpeg):
            return Verdict.ACCEPTED
        return without_process(self._ended_at) if self._link is None else Verdict.BUSY

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
