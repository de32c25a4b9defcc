"""The views that this process serves: on record before their first frame, and closed when they end.

A view is a `Viewing` row while it lasts and one `AuditEntry` afterwards; both are written for many
at once. Rows whose process has fallen silent are closed by any process that lives, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from project.audit.askers import Asker
from project.audit.log import Action
from project.audit.models import Watched
from project.audit.open_views import View, beat, reap, record
from project.audit.sign_ins import write_unlisted
from project.audit.snapshots import write_counts
from project.database_threads import in_thread

log = logging.getLogger(__name__)


PAUSE_S = 0.05  # at most twenty transactions a second, however many come and go
HEARTBEAT_S = 10.0
RETRY_S = 1.0

_thread = ThreadPoolExecutor(1, thread_name_prefix="audit")  # requests may not hold it up


class NotRecorded(Exception):
    """The view could not be written down, and so must not begin."""


class ViewLog:
    """Bound: one view for each open connection. Who joins waits until that is on record, and is
    refused where it cannot be; an end that cannot be written is kept until it can, and meanwhile
    nobody else gets in. So nothing is dropped, and nothing grows."""

    def __init__(self) -> None:
        self._begun: list[View] = []
        self._ended: list[View] = []
        self._open: set[View] = set()  # on record
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._beaten_at = time.monotonic()
        self._closed = False

    async def begin(self, asker: Asker, camera: Watched, action: Action) -> View:
        """Returns when the view is on record; those that come meanwhile share a transaction.

        `camera` brings its organization. Raises `NotRecorded`.
        """
        if self._closed:
            raise NotRecorded("The server is being stopped.")
        view = View(asker, camera, action)
        self._begun.append(view)
        self._news.set()
        try:
            await view.recorded
        except asyncio.CancelledError:
            self.end(view)
            raise
        return view

    def end(self, view: View) -> None:
        """It is over; written within a moment. Once more is nothing."""
        if view.end():
            self._ended.append(view)
            self._news.set()

    async def keep(self) -> None:
        """For ever: write, give signs of life, close what the dead have left."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_beat()):
                    await self._news.wait()
            self._news.clear()
            if not await self._write():
                await asyncio.sleep(RETRY_S)
            if not self._until_beat():
                await self._beat()
            await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """End and write all that is open. Where that fails, another process will find it."""
        self._closed = True
        for _ in range(2):  # those that are just beginning are open after the first time
            for view in tuple(self._open):
                self.end(view)
            await self._write()
        try:
            await in_thread(_thread, write_counts, True)
            await in_thread(_thread, write_unlisted, True)
        except Exception:
            log.exception("what was only counted could not be written to the audit log")

    def _until_beat(self) -> float:
        return max(0.0, self._beaten_at + HEARTBEAT_S - time.monotonic())

    async def _write(self) -> bool:
        async with self._turn:
            begun, self._begun = self._begun, []
            ended, self._ended = self._ended, []
            if not (begun or ended):
                return True
            try:
                await in_thread(_thread, record, begun, ended)
            except Exception:
                log.exception("views could not be written to the audit log")
                for view in begun:
                    view.refuse(NotRecorded("The audit log cannot be written just now."))
                self._ended[:0] = [view for view in ended if not view.refused]
                self._news.set()
                return False
            self._open.update(begun)
            self._open.difference_update(ended)
            for view in begun:
                view.admit()
            return True

    async def _beat(self) -> None:
        async with self._turn:
            self._beaten_at = time.monotonic()
            try:
                await in_thread(_thread, beat, tuple(self._open))
                await in_thread(_thread, reap)
                await in_thread(_thread, write_counts)
                await in_thread(_thread, write_unlisted)
            except Exception:
                log.exception("the audit log's open views could not be looked after")
