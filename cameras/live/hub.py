"""Which viewer gets which frame. Django-free.

Per process and camera there is one `Feed`, filled by one task from one source. Each viewer has one
slot: the newest frame, and the newest status, wait there; what was not fetched in time is dropped
and counted. So a slow viewer costs nobody anything and sees no old picture.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from cameras.live.frames import Frame

log = logging.getLogger(__name__)

SILENCE_S = 3.0  # without a word from ingest for this long, the picture is stale
LINGER_S = 5.0  # a feed outlives its last viewer, so that a reload or a next snapshot is instant
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """How a camera is doing. Times are unix ms; `reason` is a plain sentence or empty."""

    state: str
    since: int
    reason: str = ""
    last_frame: int | None = None

    @property
    def news(self) -> tuple[str, int, str]:
        """What a viewer must be told of when it changes."""
        return self.state, self.since, self.reason

    def wire(self) -> dict[str, Any]:
        """The `sideline.v1` status message."""
        connecting = self.state == "connecting"  # not a word of the contract
        return {
            "type": "status",
            "state": "offline" if connecting else self.state,
            "since": self.since,
            "reason": self.reason or ("Connecting." if connecting else ""),
            "last_frame": self.last_frame,
        }


Source = Callable[[str], AsyncGenerator[Frame | Status, None]]


class Viewer:
    """One viewer's slot in a feed. Bound: one frame and one status; newest wins."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._frame: Frame | None = feed.frame
        self._status: Status | None = feed.status
        self._wake = asyncio.Event()
        self._wake.set()
        self.dropped = 0

    def offer(self, item: Frame | Status) -> None:
        """Put in the slot, over whatever was not taken."""
        if isinstance(item, Status):
            self._status = item
        else:
            self.dropped += self._frame is not None
            self._frame = item
        self._wake.set()

    def wake(self) -> None:
        """Let `wait` return: the viewer can take a frame again."""
        self._wake.set()

    async def wait(self) -> None:
        """Until something was offered, or `wake` was called, since the last `wait`."""
        await self._wake.wait()
        self._wake.clear()

    def take_status(self) -> Status | None:
        """The newest status not yet taken."""
        status, self._status = self._status, None
        return status

    def take_frame(self) -> Frame | None:
        """The newest frame not yet taken."""
        frame, self._frame = self._frame, None
        return frame

    async def next_frame(self) -> Frame:
        """Wait for a frame; statuses are passed over."""
        while (frame := self.take_frame()) is None:
            await self.wait()
        return frame

    def leave(self) -> None:
        """Give up the slot."""
        self._feed.viewers.discard(self)
        self._feed.left_at = time.monotonic()


class Feed:
    """One camera in this process: the newest frame and status, and who watches."""

    def __init__(self, camera_id: str, source: Source) -> None:
        self.camera_id = camera_id
        self.viewers: set[Viewer] = set()
        self.frame: Frame | None = None
        self.status: Status | None = None
        self.heard_at = self.left_at = time.monotonic()
        self.task = asyncio.create_task(self._fill(source), name=f"feed {camera_id}")

    async def _fill(self, source: Source) -> None:
        while True:
            try:
                async for item in source(self.camera_id):
                    self._take(item)
            except Exception as error:
                log.warning("camera %s: feed lost (%s), retrying", self.camera_id, error)
            await asyncio.sleep(RETRY_S)

    def _take(self, item: Frame | Status) -> None:
        now = time.monotonic()
        if isinstance(item, Status):
            told, self.status = self.status, item
            if told is not None and told.news == item.news:
                self.heard_at = now
                return
        else:
            # After a silence the clock may have been set back; before, an older frame is a stray.
            stray = self.frame is not None and item.timestamp <= self.frame.timestamp
            if stray and now - self.heard_at < SILENCE_S:
                return
            self.frame = item
        self.heard_at = now
        for viewer in self.viewers:
            viewer.offer(item)

    def note_silence(self) -> None:
        """Say that the picture is stale when ingest has fallen silent."""
        if self.status is not None and self.status.state in ("stale", "offline", "ended"):
            return
        if time.monotonic() - self.heard_at > SILENCE_S:
            last = self.frame.timestamp if self.frame else None
            since = last or int((time.time() - SILENCE_S) * 1000)
            self.status = Status("stale", since, "Nothing arrives from this camera's reader.", last)
            for viewer in self.viewers:
                viewer.offer(self.status)


class Hub:
    """All feeds of this process. Owns their tasks; `watched` says for whom frames are wanted."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._feeds: dict[str, Feed] = {}
        self._tick: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()  # set when `watched` may have changed

    @property
    def watched(self) -> frozenset[str]:
        """Cameras with a viewer now or a moment ago."""
        return frozenset(self._feeds)

    def join(self, camera_id: str, known: Status | None = None) -> Viewer:
        """A slot for a new viewer, with the newest picture in it if there is one.

        `known` is what the database says of the camera, until ingest itself is heard.
        """
        if self._tick is None:
            self._tick = asyncio.create_task(self._keep(), name="hub")
        feed = self._feeds.get(camera_id)
        if feed is None:
            feed = self._feeds[camera_id] = Feed(camera_id, self._source)
            self.changed.set()
        feed.status = feed.status or known
        viewer = Viewer(feed)
        feed.viewers.add(viewer)
        return viewer

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for feed in list(self._feeds.values()):
                feed.note_silence()
                if not feed.viewers and time.monotonic() - feed.left_at > LINGER_S:
                    del self._feeds[feed.camera_id]
                    feed.task.cancel()
                    self.changed.set()

    async def close(self) -> None:
        """End all tasks."""
        tasks = [feed.task for feed in self._feeds.values()] + ([self._tick] if self._tick else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._feeds.clear()
