"""Leases: which cameras this process reads. Each camera is read by exactly one ingest process.

Every lease has a fence (the usual term is fencing token): a number from the database that only
rises per camera. A process that lost a camera without noticing can no longer write its state. How
several processes share the cameras is in `shared.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from cameras.ingest import configurations
from cameras.ingest.leases.handovers import Taking

log = logging.getLogger(__name__)

RETRY_S = 1.0


class Leases(Protocol):
    """The supervisor's interface. The supervisor stops a worker before it releases the camera."""

    changed: asyncio.Event  # a fence is new, or a camera is to be released

    def set_cameras(self, cameras: Collection[str]) -> None:
        """Set the ids of all enabled cameras."""

    def fence(self, camera_id: str) -> int | None:
        """Return the fence of a camera that this process may read, else None."""

    def is_held_elsewhere(self, camera_id: str) -> bool:
        """Whether another process held the camera a moment ago."""

    @property
    def leaving(self) -> Collection[str]:
        """Cameras whose workers must be stopped; the cameras are to be released then."""

    def release(self, camera_id: str) -> None:
        """Release a camera whose worker has ended. Waits for nothing and does not raise."""

    @property
    def takings(self) -> Mapping[str, Taking]:
        """Cameras that are being taken over: a worker is started beside that of the holder."""

    def report_loaded(self, camera_id: str) -> None:
        """Note that the worker of a camera that is being taken over begins to open it."""

    def report_ready(self, camera_id: str, *, is_open: bool) -> None:
        """Take the camera over: a worker has pictures of it, or waits to open it."""

    async def drain(self) -> None:
        """Hand over all cameras to other processes, if there are any, within seconds."""

    def report_stale_fence(self, camera_id: str, fence: int) -> None:
        """Claim a new fence if the camera is still ours: a write with this one was refused."""

    async def run(self) -> None:
        """Acquire, renew and hand over leases until cancelled."""

    async def close(self) -> None:
        """Release everything; all workers have ended."""


class EmbeddedLeases:
    """Leases of a process that reads all cameras.

    It claims fences all the same: other processes may have used the database before.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.leaving: Collection[str] = ()
        self.takings: Mapping[str, Taking] = {}
        self._fences: dict[str, int] = {}
        self._unclaimed: set[str] = set()
        self._wakeup = asyncio.Event()

    def set_cameras(self, cameras: Collection[str]) -> None:
        """Claim a fence for each new camera."""
        new = set(cameras) - self._fences.keys()
        self._unclaimed = (self._unclaimed & set(cameras)) | new
        self._wakeup.set()

    def fence(self, camera_id: str) -> int | None:
        """Return the fence; None until it is claimed."""
        return self._fences.get(camera_id)

    def is_held_elsewhere(self, camera_id: str) -> bool:
        """Return False: there is no other process."""
        return False

    def release(self, camera_id: str) -> None:
        """Forget the fence: the camera is switched off."""
        self._fences.pop(camera_id, None)

    def report_loaded(self, camera_id: str) -> None:
        """Do nothing: there is no other process."""

    def report_ready(self, camera_id: str, *, is_open: bool) -> None:
        """Do nothing: there is no other process."""

    async def drain(self) -> None:
        """Do nothing: there is no other process."""

    def report_stale_fence(self, camera_id: str, fence: int) -> None:
        """Claim a new fence."""
        if self._fences.get(camera_id) == fence:
            self._unclaimed.add(camera_id)
            self._wakeup.set()

    async def run(self) -> None:
        """Claim fences as they are needed, until cancelled."""
        while True:
            if self._unclaimed:
                claimed = await claim(self._unclaimed)  # failures wait for the next poll
                self._fences |= claimed
                self._unclaimed -= claimed.keys()
                self.changed.set()
            await self._wakeup.wait()
            self._wakeup.clear()

    async def close(self) -> None:
        """Do nothing."""


async def claim(cameras: Iterable[str]) -> dict[str, int]:
    """Claim new fences, by camera id. Empty, after `RETRY_S`, if the database fails."""
    claimed: dict[str, int] = {}
    try:
        claimed = await database_sync_to_async(configurations.claim_fences)(list(cameras))
    except DatabaseError as error:
        log.warning("cameras could not be claimed from the database: %s", error)
        await asyncio.sleep(RETRY_S)
    return claimed
