"""Which viewer gets which frame. Django-free.

Per process, camera and width there is one `Feed`. Each viewer has one slot: the newest frame, and
the newest status, wait there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import TypeVar

from cameras.live.feeds import Feed, Source
from cameras.live.status import Status
from cameras.live.tally import Tally
from cameras.live.variants import NATIVE, Wish
from cameras.live.viewers import Viewer

LINGER_S = 5.0  # a feed outlives its last viewer, so that a reload or a next snapshot is instant

AnyViewer = TypeVar("AnyViewer", bound=Viewer)


class Hub:
    """All feeds of this process. Owns their tasks; `wishes` says what is wanted of ingest."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._feeds: dict[tuple[str, int], Feed] = {}
        self._tick: asyncio.Task[None] | None = None
        self.tallies: dict[str, Tally] = {}
        self.changed = asyncio.Event()  # set when `wishes` may have changed

    @property
    def feeds(self) -> Collection[Feed]:
        """All that are filled now."""
        return self._feeds.values()

    def wishes(self) -> dict[str, list[Wish]]:
        """By camera: what is watched now, or was a moment ago."""
        found: dict[str, list[Wish]] = {}
        for feed in self._feeds.values():
            found.setdefault(feed.camera_id, []).append(feed.wish)
        return found

    def join(
        self,
        camera_id: str,
        make: Callable[[Feed], AnyViewer],
        width: int = NATIVE,
        known: Status | None = None,
        mark: str | None = None,
    ) -> AnyViewer:
        """A slot for the viewer that `make` makes, with the newest picture in it if there is one.

        `known` is what the database says of the camera, until ingest itself is heard, and `mark`
        names the masks that it has there.
        """
        feed = self._feed(camera_id, width, known)
        if mark is not None:
            feed.expect(mark)
        viewer = make(feed)
        feed.enter(viewer)
        return viewer

    def _feed(self, camera_id: str, width: int, known: Status | None) -> Feed:
        if self._tick is None:
            self._tick = asyncio.create_task(self._keep(), name="hub")
        feed = self._feeds.get((camera_id, width))
        if feed is None:
            tally = self.tallies.setdefault(camera_id, Tally())
            feed = Feed(camera_id, width, self._source, tally, self.changed)
            self._feeds[camera_id, width] = feed
        feed.status = feed.status or known
        return feed

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for place, feed in list(self._feeds.items()):
                feed.note_silence()
                if not feed.viewers and time.monotonic() - feed.left_at > LINGER_S:
                    del self._feeds[place]
                    feed.task.cancel()
                    self.changed.set()

    async def close(self) -> None:
        """End all tasks."""
        tasks = [feed.task for feed in self._feeds.values()] + ([self._tick] if self._tick else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._feeds.clear()
