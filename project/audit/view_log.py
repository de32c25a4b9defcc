"""The connections of this process in the view log: stored before their first picture.

Writes are batched. Every process writes the entries of views that have ended, in all processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from project.audit.failed_sign_ins import write_unlisted
from project.audit.open_views import View, reap
from project.audit.recent_views import HEARTBEAT_S, RecentViews, recent_views
from project.database.threads import in_thread

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 0.05  # at most twenty transactions a second
RETRY_S = 1.0

_thread = ThreadPoolExecutor(1, thread_name_prefix="audit")  # independent of request threads


class ViewNotRecorded(Exception):
    """The view could not be stored, so it must not begin."""


class ServerIsStopping(ViewNotRecorded):
    """No view begins any more in this process."""


class ViewLog:
    """Writes the connections of this process to the view log. For one event loop.

    A new viewer waits until the row of the view is stored, and is refused if that fails. An end
    that cannot be written is retried with each heartbeat. Bound: that of `RecentViews`.
    """

    def __init__(self, views: RecentViews = recent_views) -> None:
        self._views = views
        self._batch: set[View] = set()  # of the next transaction
        self._failure: asyncio.Future[Exception | None] = asyncio.Future()  # to store that
        self._wakeup = asyncio.Event()
        self._last_heartbeat = time.monotonic()
        self._closed = False

    async def begin(self, view: View) -> None:
        """Return when the view is stored. Concurrent calls share a transaction.

        Raises `ViewNotRecorded`; `ServerIsStopping` after `close`. Else call `end` once.
        """
        if self._closed:
            raise ServerIsStopping
        if self._views.open(view, lasting=True):
            return
        try:
            failure = await asyncio.shield(self._write_soon(view))
        except asyncio.CancelledError:
            self.end(view)
            raise
        if failure is not None:
            self._views.withdraw(view, lasting=True)
            # Its cause says whether this is an outage of the database, which is logged once.
            raise ViewNotRecorded("The audit log cannot be written just now.") from failure

    def end(self, view: View) -> None:
        """End a connection. Its view ends if no other follows."""
        if self._views.close(view):
            self._write_soon(view)

    async def run(self) -> None:
        """Write views, send heartbeats and end views that have ended, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_heartbeat()):
                    await self._wakeup.wait()
            self._wakeup.clear()
            if await self._write() is not None:
                await asyncio.sleep(RETRY_S)
            if not self._until_heartbeat():
                self._last_heartbeat = time.monotonic()
                await _try(self._views.renew, reap, write_unlisted)
            await asyncio.sleep(WRITE_INTERVAL_S)

    async def close(self) -> None:
        """Write that all views end now. The next process to look writes the entries."""
        self._closed = True
        await self._write()
        await _try(self._views.renew, partial(write_unlisted, True))

    def _until_heartbeat(self) -> float:
        """Return the seconds until the next heartbeat is due."""
        return max(0.0, self._last_heartbeat + HEARTBEAT_S - time.monotonic())

    def _write_soon(self, view: View) -> asyncio.Future[Exception | None]:
        """Return why the view could not be stored, or None, once that was tried."""
        self._batch.add(view)
        self._wakeup.set()
        return self._failure

    async def _write(self) -> Exception | None:
        """Write the batch in one transaction; return the error if that failed."""
        batch, self._batch = self._batch, set()
        failure, self._failure = self._failure, asyncio.Future()
        failure.set_result(await _try(partial(self._views.store, batch)) if batch else None)
        return failure.result()


async def _try(*writes: Callable[[], object]) -> Exception | None:
    """Call `writes` in the log's thread, up to the first that fails; return its error."""
    try:
        for write in writes:
            await in_thread(_thread, write)
    except Exception as error:
        log.exception("the audit log cannot be written")
        return error
    return None
