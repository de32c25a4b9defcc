"""Which viewer gets which frame. Django-free.

Per process, camera and width there is one `Feed`, filled by one task from one source. Each viewer
has one slot: the newest frame, and the newest status, wait there. What a viewer did not take in
time is dropped and counted, so a slow one costs nobody anything and sees no old picture.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from cameras.live.frames import Frame, Status
from cameras.live.mask_versions import Masked, MaskVersions
from cameras.live.metrics import Tally
from cameras.live.variants import NATIVE, Pace, Variant, Wish

if TYPE_CHECKING:
    from cameras.live.formats import PreparedFrame


log = logging.getLogger(__name__)

LINGER_S = 5.0  # a feed outlives its last viewer, so that a reload or a next snapshot is instant
SILENCE_S = 3.0  # without a word from ingest for this long, the picture is stale
RETRY_S = 1.0
COLLECT_S = 0.015  # after a frame; by then most have acknowledged it, and the next is not due


class Viewer:
    """One slot in a feed. Bound: the newest frame and the newest status, newest wins.

    `delivered` and `missed` count frames.
    """

    # Slots: what is looked at for each of many viewers is what a frame costs.
    __slots__ = (
        "_feed", "_news", "_pace", "_prepared", "_status", "delivered", "fps", "missed",
    )  # fmt: skip
    kind = "snapshot"
    on_credit = False  # whether it acknowledges frames
    says_age = True  # whether who takes its pictures learns how old they are

    def __init__(self, feed: Feed, variant: Variant) -> None:
        self.fps = variant.fps
        self.delivered = self.missed = 0
        self._feed = feed
        self._pace = Pace(variant.fps) if variant.fps else None
        self._prepared: PreparedFrame | None = feed.prepared
        self._status: Status | None = feed.status
        self._news = asyncio.Event()
        self._news.set()

    def offer(self, prepared: PreparedFrame) -> bool:
        """Take a frame, over one that was not taken. True where it went out at once."""
        if self._pace is not None and not self._pace.takes(int(time.monotonic() * 1000)):
            return False
        if self._prepared is None and self._goes_out(prepared):
            self.delivered += 1
            return True
        self.missed += self._prepared is not None
        self._prepared = prepared
        self.wake()
        return False

    def _goes_out(self, prepared: PreparedFrame) -> bool:
        """Send it at once if that can be done; where it cannot, it waits in the slot."""
        return False

    def tell(self, status: Status) -> None:
        """Put into the slot, over a status that was not taken."""
        self._status = status
        self.wake()

    def wake(self) -> None:
        """Let `wait` return."""
        self._news.set()

    def forget(self) -> None:
        """Drop the frame that was not taken."""
        self._prepared = None

    async def wait(self) -> None:
        """Until something was offered, or `wake` was called, since the last `wait`."""
        await self._news.wait()
        self._news.clear()

    def take_status(self) -> Status | None:
        """The newest status not yet taken."""
        status, self._status = self._status, None
        return status

    def take_frame(self) -> Frame | None:
        """The newest frame not yet taken."""
        prepared = self._take()
        return None if prepared is None else prepared.frame

    async def next_frame(self) -> Frame:
        """Wait for a frame; statuses are passed over."""
        while (frame := self.take_frame()) is None:
            await self.wait()
        return frame

    def _take(self) -> PreparedFrame | None:
        prepared = self._prepared
        if prepared is not None:
            self._prepared = None
            self.delivered += 1
            self._feed.tally.aged(prepared.age_ms())
        return prepared

    def collect(self) -> None:
        """A moment after a frame went to all: get ready for the next."""

    def leave(self) -> None:
        """Give up the slot."""
        self._feed.leave(self)


Source = Callable[[str, int], AsyncGenerator[Frame | Status | Masked, None]]


class Feed:
    """One width of one camera in this process: the newest frame and status, and who watches."""

    def __init__(
        self,
        camera_id: str,
        width: int,
        source: Source,
        prepare: Callable[[Frame], PreparedFrame],
        tally: Tally,
        changed: asyncio.Event,
    ) -> None:
        self.camera_id, self.width, self.tally = camera_id, width, tally
        self.viewers: set[Viewer] = set()
        self.prepared: PreparedFrame | None = None
        self.status: Status | None = None
        self.heard_at = self.left_at = self._framed_at = time.monotonic()
        self._timestamp: int | None = None  # of what was handed out last
        self._on_credit = 0  # viewers who acknowledge
        self._collecting: asyncio.TimerHandle | None = None
        self._prepare, self._changed = prepare, changed
        self._marks = MaskVersions()
        self._fps = NATIVE  # what its last viewer wanted
        self.task = asyncio.create_task(self._fill(source), name=f"feed {camera_id} {width}")

    @property
    def wish(self) -> Wish:
        """What its viewers want, or the last one of them wanted."""
        rates = {viewer.fps for viewer in self.viewers}
        fps = (NATIVE if NATIVE in rates else max(rates)) if rates else self._fps
        return Wish(self.width, fps, sum(viewer.kind != Viewer.kind for viewer in self.viewers))

    def enter(self, viewer: Viewer) -> None:
        """Give a slot."""
        self.viewers.add(viewer)
        self._on_credit += viewer.on_credit
        self._changed.set()

    def leave(self, viewer: Viewer) -> None:
        """Give up a slot."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._on_credit -= viewer.on_credit
            self.tally.retire(viewer.kind, viewer.delivered, viewer.missed)
            self._fps, self.left_at = viewer.fps, time.monotonic()
            self._changed.set()

    async def _fill(self, source: Source) -> None:
        while True:
            try:
                async for item in source(self.camera_id, self.width):
                    self._take(item)
            except Exception as error:
                log.warning("camera %s: feed lost (%s), retrying", self.camera_id, error)
            await asyncio.sleep(RETRY_S)

    def _take(self, item: Frame | Status | Masked) -> None:
        now = time.monotonic()
        former = self._marks.newest
        passes = item.mark is None or self._marks.passes(item.mark, now)
        if self._marks.newest != former or (isinstance(item, Status) and item.state == "ended"):
            self._forget()
        if isinstance(item, Status):
            told, self.status = self.status, item
            if told is None or told.news != item.news:
                for viewer in tuple(self.viewers):
                    viewer.tell(item)
        elif isinstance(item, Frame) and passes:
            if self._is_stray(item, now):
                return
            self._framed_at, self._timestamp = now, item.timestamp
            self._hand_out(item)
        self.heard_at = now

    def _is_stray(self, frame: Frame, now: float) -> bool:
        """What was handed out is not handed out again, as a worker sends it for newcomers
        elsewhere. An older one is, after a silence: the clock may have been set back."""
        last = self._timestamp
        if last is None or frame.timestamp > last:
            return False
        return frame.timestamp == last or now - self._framed_at < SILENCE_S

    def expect(self, mark: str) -> None:
        """From now on only pictures with these masks, which the database has."""
        if not self._marks.expect(mark, time.monotonic()):
            self._forget()

    def _forget(self) -> None:
        """Its pictures are of other masks than the next, or the masks change unheard."""
        self.prepared = None
        for viewer in tuple(self.viewers):
            viewer.forget()

    def _hand_out(self, frame: Frame) -> None:
        prepared = self.prepared = self._prepare(frame)
        gone_out, fresh = 0, prepared.is_fresh
        for viewer in tuple(self.viewers):
            if (fresh or viewer.says_age) and viewer.offer(prepared):
                gone_out += 1
        prepared.going_out = False
        self.tally.received += 1
        self.tally.aged(prepared.age_ms(), gone_out)
        if self._on_credit and self._collecting is None:
            self._collecting = asyncio.get_running_loop().call_later(COLLECT_S, self._collect)

    def _collect(self) -> None:
        """Apart from the next frame's round, so that this does not hold up the last in it."""
        self._collecting = None
        for viewer in tuple(self.viewers):
            viewer.collect()

    def note_silence(self) -> None:
        """Say that the picture is stale when ingest has fallen silent."""
        if self.status is not None and self.status.state in ("stale", "offline", "ended"):
            return
        if time.monotonic() - self.heard_at > SILENCE_S:
            last = self.prepared.frame.timestamp if self.prepared else None
            since = last or int((time.time() - SILENCE_S) * 1000)
            self.status = Status("stale", since, "Nothing arrives from this camera's reader.", last)
            for viewer in tuple(self.viewers):
                viewer.tell(self.status)


AnyViewer = TypeVar("AnyViewer", bound=Viewer)


class Hub:
    """All feeds of this process. Owns their tasks; `wishes` says what is wanted of ingest."""

    def __init__(self, source: Source, prepare: Callable[[Frame], PreparedFrame]) -> None:
        """`prepare` makes of a frame what the viewers are given."""
        self._source, self._prepare = source, prepare
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
            feed = Feed(camera_id, width, self._source, self._prepare, tally, self.changed)
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
