"""The views that this process serves: stored before their first frame, closed when they end.

A view is a `Viewing` row while it lasts and an `AuditEntry` afterwards, both written in batches.
Every process closes rows whose process has stopped sending heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from project.audit.failed_sign_ins import write_unlisted
from project.audit.log import Action
from project.audit.models import CameraLike
from project.audit.open_views import View, reap, record, renew
from project.audit.requesters import Requester
from project.audit.snapshots import write_counts
from project.database_threads import in_thread

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 0.05  # at most twenty transactions a second
HEARTBEAT_S = 10.0
RETRY_S = 1.0

_thread = ThreadPoolExecutor(1, thread_name_prefix="audit")  # independent of request threads


class ViewNotRecorded(Exception):
    """The view could not be stored, so it must not begin."""


class ViewLog:
    """Writes the views of this process to the audit log.

    Bound: one view per open connection. A new viewer waits until the view is stored, and is refused
    if that fails. An end that cannot be written is kept and retried; until it is written, new views
    are refused.
    """

    def __init__(self) -> None:
        self._begun: list[View] = []  # not stored yet
        self._ended: list[View] = []
        self._open: set[View] = set()  # stored
        self._wakeup = asyncio.Event()
        self._lock = asyncio.Lock()
        self._last_heartbeat = time.monotonic()
        self._closed = False

    async def begin(self, requester: Requester, camera: CameraLike, action: Action) -> View:
        """Return when the view is stored. Concurrent calls share a transaction.

        The camera's organization must be loaded. Raises `ViewNotRecorded`.
        """
        if self._closed:
            raise ViewNotRecorded("The server is being stopped.")
        view = View(requester, camera, action)
        self._begun.append(view)
        self._wakeup.set()
        try:
            await view.recorded
        except asyncio.CancelledError:
            self.end(view)
            raise
        return view

    def end(self, view: View) -> None:
        """End the view; its entry is written soon. Idempotent."""
        if view.end():
            self._ended.append(view)
            self._wakeup.set()

    async def run(self) -> None:
        """Write views, send heartbeats and close the views of dead processes, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_heartbeat()):
                    await self._wakeup.wait()
            self._wakeup.clear()
            if not await self._write():
                await asyncio.sleep(RETRY_S)
            if not self._until_heartbeat():
                await self._send_heartbeat()
            await asyncio.sleep(WRITE_INTERVAL_S)

    async def close(self) -> None:
        """End and write all open views. If that fails, another process will close them."""
        self._closed = True
        for _ in range(2):  # views that are just beginning are open after the first pass
            for view in tuple(self._open):
                self.end(view)
            await self._write()
        try:
            await in_thread(_thread, write_counts, True)
            await in_thread(_thread, write_unlisted, True)
        except Exception:
            log.exception("counts could not be written to the audit log")

    def _until_heartbeat(self) -> float:
        """Return the seconds until the next heartbeat is due."""
        return max(0.0, self._last_heartbeat + HEARTBEAT_S - time.monotonic())

    async def _write(self) -> bool:
        """Write pending views in one transaction; return False if that failed."""
        async with self._lock:
            begun, self._begun = self._begun, []
            ended, self._ended = self._ended, []
            if not (begun or ended):
                return True
            try:
                await in_thread(_thread, record, begun, ended)
            except Exception:
                log.exception("views could not be written to the audit log")
                for view in begun:
                    view.refuse(ViewNotRecorded("The audit log cannot be written just now."))
                self._ended[:0] = [view for view in ended if not view.refused]
                self._wakeup.set()
                return False
            self._open.update(begun)
            self._open.difference_update(ended)
            for view in begun:
                view.admit()
            return True

    async def _send_heartbeat(self) -> None:
        async with self._lock:
            self._last_heartbeat = time.monotonic()
            try:
                await in_thread(_thread, renew, tuple(self._open))
                await in_thread(_thread, reap)
                await in_thread(_thread, write_counts)
                await in_thread(_thread, write_unlisted)
            except Exception:
                log.exception("the heartbeat of open views could not be written to the audit log")
