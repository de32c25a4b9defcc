"""The ingest process as a child of the web server, for installations without Redis."""

from __future__ import annotations

import asyncio
import logging
import subprocess

from cameras.ingest.metrics import Totals
from cameras.ingest.uplink import LinkLost, SocketLink, start
from cameras.live import channel_groups
from cameras.live.demand import Wishes, wishes_packet

log = logging.getLogger(__name__)

COMMAND = ("manage.py", "ingest", "--link")
RESTART_S = 1.0
END_S = 1.5


class IngestChild:
    """Owns `manage.py ingest`: starts it, publishes what it sends, starts it again if it ends.

    Also the web side's `Line` to it. Bound: the link's backlog; frames over it are dropped.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: SocketLink | None = None

    async def run(self) -> None:
        """For ever; ends the child when cancelled."""
        try:
            while True:
                try:
                    await self._once()
                    log.warning("the ingest process ended; starting it again")
                except OSError as error:
                    log.error("the ingest process could not be started, trying again: %s", error)
                except Exception:
                    log.exception("the ingest process was lost; starting it again")
                await asyncio.sleep(RESTART_S)
        finally:
            self.end()

    async def _once(self) -> None:
        self._process, self._link = await start(*COMMAND)
        try:
            async for header, payload in self._link.receive():
                if header["type"] == "state":
                    self.totals.note(header)
                await channel_groups.publish(header["camera"], header, payload)
        except LinkLost:
            pass
        finally:
            self._link.close()
            self._link = None
            await asyncio.to_thread(self._reap)

    async def tell(self, wishes: Wishes) -> None:
        """Say what is watched, and how."""
        await self._say(wishes_packet(wishes), b"")

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> bool:
        """Hand over a pushed frame; False where no child runs, or it does not keep up."""
        return await self._say({"type": "push", "camera": camera_id, "timestamp": timestamp}, jpeg)

    async def _say(self, header: dict[str, object], payload: bytes) -> bool:
        if self._link is None:
            return False
        try:
            return await self._link.send(header, payload)
        except LinkLost:
            return False

    def end(self) -> None:
        """Hang up, which ends the child and its workers; kill it where that is not enough."""
        if self._link is not None:
            self._link.close()
        self._reap()

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
