"""The connections of this process in the view log: stored before their first picture.

Writes are batched. Every process writes the entries of views that have ended, in all processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from project.audit.failed_sign_ins import write_unlisted
from project.audit.open_views import View, reap
from project.audit.recent_views import HEARTBEAT_S, RecentViews, recent_views
from project.database.threads import in_thread

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 0.05  # at most twenty transactions a second
RETRY_S = 1.0
UNWRITABLE = "The audit log cannot be written just now."

_thread = ThreadPoolExecutor(1, thread_name_prefix="audit")  # independent of request threads


class ViewNotRecorded(Exception):
    """The view could not be stored, so it must not begin."""


class ServerIsStopping(ViewNotRecorded):
    """No view begins any more in this process."""


class Opening:
    """One open connection of a view."""

    __slots__ = ("is_over", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.is_over = False


class ViewLog:
    """Writes the connections of this process to the view log.

    Bound: one opening per open connection. A new viewer waits until the row of the view is stored,
    and is refused if that fails. An end that cannot be written is retried with each heartbeat.
    """

    def __init__(self, views: RecentViews = recent_views) -> None:
        self._views = views
        self._waiting: list[tuple[View, asyncio.Future[None]]] = []
        self._ended: set[View] = set()
        self._open: set[Opening] = set()
        self._wakeup = asyncio.Event()
        self._lock = asyncio.Lock()
        self._last_heartbeat = time.monotonic()
        self._closed = False

    async def begin(self, view: View) -> Opening:
        """Return when the view is stored. Concurrent calls share a transaction.

        Raises `ViewNotRecorded`; `ServerIsStopping` after `close`.
        """
        if self._closed:
            raise ServerIsStopping
        opening = Opening(view)
        self._open.add(opening)
        if self._views.open(view, lasting=True):
            return opening
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((view, recorded))
        self._wakeup.set()
        try:
            await recorded
        except asyncio.CancelledError:
            self.end(opening)
            raise
        except ViewNotRecorded:
            opening.is_over = True
            self._open.discard(opening)
            self._views.withdraw(view, lasting=True)
            raise
        return opening

    def end(self, opening: Opening) -> None:
        """End an opening. Its view ends if no other follows. Idempotent."""
        if opening.is_over:
            return
        opening.is_over = True
        self._open.discard(opening)
        if self._views.close(opening.view):
            self._ended.add(opening.view)
            self._wakeup.set()

    async def run(self) -> None:
        """Write views, send heartbeats and end views that have ended, until cancelled."""
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
        """Write the end of all openings. The next process to look writes the entries."""
        self._closed = True
        for opening in tuple(self._open):
            self.end(opening)
        await self._write()
        try:
            await in_thread(_thread, self._views.renew)
            await in_thread(_thread, write_unlisted, True)
        except Exception:
            log.exception("counts could not be written to the audit log")

    def _until_heartbeat(self) -> float:
        """Return the seconds until the next heartbeat is due."""
        return max(0.0, self._last_heartbeat + HEARTBEAT_S - time.monotonic())

    async def _write(self) -> bool:
        """Write pending views in one transaction; return False if that failed."""
        async with self._lock:
            waiting, self._waiting = self._waiting, []
            ended, self._ended = self._ended, set()
            views = {view for view, _ in waiting} | ended
            if not views:
                return True
            failure: Exception | None = None
            try:
                await in_thread(_thread, self._views.store, views)
            except Exception as error:
                log.exception("views could not be written to the audit log")
                failure = error
            for _, recorded in waiting:
                if recorded.done():  # cancelled
                    continue
                if failure is None:
                    recorded.set_result(None)
                else:
                    refusal = ViewNotRecorded(UNWRITABLE)
                    refusal.__cause__ = failure
                    recorded.set_exception(refusal)
            return failure is None

    async def _send_heartbeat(self) -> None:
        async with self._lock:
            self._last_heartbeat = time.monotonic()
            try:
                await in_thread(_thread, self._views.renew)
                await in_thread(_thread, reap)
                await in_thread(_thread, write_unlisted)
            except Exception:
                log.exception("the heartbeat of open views could not be written to the audit log")
