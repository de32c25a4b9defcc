"""Which cameras are mine to read: each is read by exactly one ingest process.

A lease comes with a fence from the database, a number that only rises per camera: whoever lost the
camera without noticing can no longer write about it. How processes share is in sharing.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import Protocol

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from cameras.ingest import configurations

log = logging.getLogger(__name__)

AGAIN_S = 1.0


class Leases(Protocol):
    """What the supervisor needs to know. It stops a reader before it releases its camera."""

    changed: asyncio.Event  # a fence is new, or a camera is to be left

    def want(self, cameras: Collection[str]) -> None:
        """All cameras that somebody has to read."""

    def fence(self, camera_id: str) -> int | None:
        """The fence of a camera that is ours to read, else None."""

    def elsewhere(self, camera_id: str) -> bool:
        """Whether another process was seen to have the camera a moment ago."""

    @property
    def leaving(self) -> Collection[str]:
        """Cameras whose readers must be stopped, and which are to be released then."""

    async def release(self, camera_id: str) -> None:
        """Its reader has ended. Does not raise."""

    def doubt(self, camera_id: str, fence: int) -> None:
        """A write of this fence was refused: claim another, if the camera is still ours."""

    async def run(self) -> None:
        """Take, renew and give up, for ever. Raises what is a fault of ours."""

    async def close(self) -> None:
        """All readers have ended: release everything."""


class EmbeddedLeases:
    """Everything is ours. Fences are claimed all the same: the database may have met others."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.leaving: Collection[str] = ()
        self._fences: dict[str, int] = {}
        self._due: set[str] = set()
        self._told = asyncio.Event()

    def want(self, cameras: Collection[str]) -> None:
        """Claim a fence for each new one."""
        self._due = (self._due & set(cameras)) | (set(cameras) - self._fences.keys())
        self._told.set()

    def fence(self, camera_id: str) -> int | None:
        """None until it was claimed."""
        return self._fences.get(camera_id)

    def elsewhere(self, camera_id: str) -> bool:
        """There is no other process."""
        return False

    async def release(self, camera_id: str) -> None:
        """It is switched off."""
        self._fences.pop(camera_id, None)

    def doubt(self, camera_id: str, fence: int) -> None:
        """Claim another fence."""
        if self._fences.get(camera_id) == fence:
            self._due.add(camera_id)
            self._told.set()

    async def run(self) -> None:
        """Claim what is due."""
        while True:
            await self._told.wait()
            self._told.clear()
            if self._due:
                claimed = await claim(self._due)  # what fails is told again with the next look
                self._fences |= claimed
                self._due -= claimed.keys()
                self.changed.set()

    async def close(self) -> None:
        """Nothing to do."""


async def claim(cameras: Iterable[str]) -> dict[str, int]:
    """New fences; none where the database does not answer, which is not asked again for a while."""
    claimed: dict[str, int] = {}
    try:
        claimed = await database_sync_to_async(configurations.claim_fences)(list(cameras))
    except DatabaseError as error:
        log.warning("cameras could not be claimed from the database: %s", error)
        await asyncio.sleep(AGAIN_S)
    return claimed
