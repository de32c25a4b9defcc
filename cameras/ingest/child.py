"""The ingest process as a child of the web server, for installations without Redis."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys

from django.conf import settings

from cameras.ingest.uplink import LinkLost, SocketLink
from cameras.live import groups

log = logging.getLogger(__name__)

RESTART_S = 1.0
END_S = 1.5


class IngestChild:
    """Owns `manage.py ingest`: starts it, publishes what it sends, starts it again if it ends.

    Also the web side's `Line` to it. Bound: the link's backlog; frames over it are dropped.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._link: SocketLink | None = None

    async def run(self) -> None:
        """For ever; ends the child when cancelled."""
        try:
            while True:
                await self._once()
                log.warning("the ingest process ended; starting it again")
                await asyncio.sleep(RESTART_S)
        finally:
            self.end()

    async def _once(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "ingest", "--link", str(theirs.fileno())],
                cwd=settings.BASE_DIR,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the parent, which ends this one
            )
        self._link = await SocketLink.over(ours)
        try:
            async for header, payload in self._link.receive():
                await groups.publish(header["camera"], header, payload)
        except LinkLost:
            pass
        finally:
            self._link.close()
            self._link = None
            await asyncio.to_thread(self._reap)

    async def tell(self, watched: frozenset[str]) -> None:
        """Say which cameras are watched."""
        if self._link is not None:
            await self._link.send({"type": "watched", "cameras": sorted(watched)}, b"")

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> None:
        """Hand over a pushed frame."""
        if self._link is not None:
            header = {"type": "push", "camera": camera_id, "timestamp": timestamp}
            await self._link.send(header, jpeg)

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
