"""Which viewer gets which frame. Django-free.

Per process, camera and width there is one `Feed`. One task fills it from one source, and each
viewer of it has one slot for the newest frame and one for the newest status. A frame that a viewer
did not take in time is replaced and counted as missed: a slow viewer costs the others nothing and
never sees an old picture.

    source → Feed → Viewer (slot) → connection
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from cameras.live.frames import Frame, Status
from cameras.live.mask_versions import MasksChanged, MaskVersions
from cameras.live.metrics import Tally
from cameras.live.variants import NATIVE, Demand, Pace, Variant
from project.tasks import URGENT_S, end, supervise, suppress_and_log

if TYPE_CHECKING:
    from cameras.live.formats import PreparedFrame


log = logging.getLogger(__name__)

LINGER_S = 5.0  # a feed outlives its last viewer, so that a reload or the next snapshot is instant
SILENT = "Sideline receives nothing from this camera at the moment."
SILENCE_S = 3.0  # a camera's picture is stale if ingest sends nothing for this long
CHECK_S = 0.5  # interval of the checks for silent and for unused feeds
COLLECT_DELAY_S = 0.015  # most acknowledgements arrive within this time after a frame was sent


class Viewer:
    """One subscriber of a feed. Bound: the newest frame and the newest status; newest wins.

    `delivered` and `missed` count frames.
    """

    # Slots: attribute access per viewer dominates the cost of a frame.
    __slots__ = (
        "_feed", "_news", "_pace", "_prepared", "_status", "delivered", "fps", "missed",
        "on_failure",
    )  # fmt: skip
    kind = "snapshot"  # label of the metrics
    acknowledges_frames = False
    shows_age = True  # whether the picture's age reaches the client, so that it may be an old one

    def __init__(self, feed: Feed, variant: Variant) -> None:
        self.fps = variant.fps
        self.delivered = self.missed = 0
        self.on_failure: Callable[[], None] | None = None  # closes the connection
        self._feed = feed
        self._pace = Pace(variant.fps) if variant.fps else None
        self._prepared: PreparedFrame | None = feed.prepared
        self._status: Status | None = feed.status
        self._news = asyncio.Event()
        self._news.set()

    def offer_frame(self, prepared: PreparedFrame) -> bool:
        """Send a frame, or keep it in the slot. True if it was sent at once."""
        if self._pace is not None and not self._pace.takes(int(time.monotonic() * 1000)):
            return False
        if self._prepared is None and self._send_now(prepared):
            self.delivered += 1
            return True
        self.missed += self._prepared is not None
        self._prepared = prepared
        self.wake()
        return False

    def _send_now(self, prepared: PreparedFrame) -> bool:
        """Send the frame without using the slot. False if that is not possible."""
        return False

    def offer_status(self, status: Status) -> None:
        """Keep a status in the slot. It replaces one that was not taken."""
        self._status = status
        self.wake()

    def wake(self) -> None:
        """Let `wait` return."""
        self._news.set()

    def drop_frame(self) -> None:
        """Empty the slot of the frame, without counting it as missed."""
        self._prepared = None

    async def wait(self) -> None:
        """Wait until something was offered, or `wake` was called, since the last `wait`."""
        await self._news.wait()
        self._news.clear()

    def take_status(self) -> Status | None:
        """Return the newest status, once; None if it was taken already."""
        status, self._status = self._status, None
        return status

    def take_frame(self) -> Frame | None:
        """Return the newest frame, once; None if it was taken already."""
        prepared = self._take_prepared()
        return None if prepared is None else prepared.frame

    async def next_frame(self) -> Frame:
        """Wait for a frame. Ignores statuses."""
        while (frame := self.take_frame()) is None:
            await self.wait()
        return frame

    def _take_prepared(self) -> PreparedFrame | None:
        prepared = self._prepared
        if prepared is not None:
            self._prepared = None
            self.delivered += 1
            if self.kind != Viewer.kind:  # a snapshot may be up to 3 s old
                self._feed.tally.count_age(prepared.frame.age_ms)
        return prepared

    def collect_acknowledgements(self) -> None:
        """Prepare for the next frame; called `COLLECT_DELAY_S` after one was sent."""

    def leave(self) -> None:
        """Unsubscribe. Idempotent."""
        self._feed.remove(self)


# Yields what ingest publishes about one width of a camera.
Source = Callable[[str, int], AsyncGenerator[Frame | Status | MasksChanged, None]]


class Feed:
    """One width of one camera in this process: its newest frame and status, and its viewers."""

    def __init__(
        self,
        camera_id: str,
        width: int,
        source: Source,
        prepare: Callable[[Frame], PreparedFrame],
        tally: Tally,
        demand_changed: asyncio.Event,
    ) -> None:
        self.camera_id, self.width, self.tally = camera_id, width, tally
        self.viewers: set[Viewer] = set()
        self.prepared: PreparedFrame | None = None
        self.status: Status | None = None
        self.received_at = self.left_at = self._frame_at = time.monotonic()
        self._fence = 0  # of the last status
        self._newest: tuple[int, int] | None = None  # order of the last frame sent to viewers
        self._acknowledging = 0  # viewers that acknowledge frames
        self._collecting: asyncio.TimerHandle | None = None
        self._prepare, self._demand_changed = prepare, demand_changed
        self._mask_versions = MaskVersions()
        self._last_fps = NATIVE  # of the viewer that left last
        self.task = supervise(
            lambda: self._read(source), "feed", f"{camera_id} {width}", max_pause_s=URGENT_S
        )

    @property
    def demand(self) -> Demand:
        """What its viewers want; without viewers, what the last of them wanted."""
        rates = {viewer.fps for viewer in self.viewers}
        fps = (NATIVE if NATIVE in rates else max(rates)) if rates else self._last_fps
        return Demand(self.width, fps, sum(viewer.kind != Viewer.kind for viewer in self.viewers))

    def add(self, viewer: Viewer) -> None:
        """Subscribe a viewer."""
        self.viewers.add(viewer)
        self._acknowledging += viewer.acknowledges_frames
        self._demand_changed.set()

    def remove(self, viewer: Viewer) -> None:
        """Unsubscribe a viewer. Idempotent."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._acknowledging -= viewer.acknowledges_frames
            self.tally.add_viewer(viewer.kind, viewer.delivered, viewer.missed)
            self._last_fps, self.left_at = viewer.fps, time.monotonic()
            self._demand_changed.set()

    async def _read(self, source: Source) -> None:
        async for item in source(self.camera_id, self.width):
            self._receive(item)

    def _receive(self, item: Frame | Status | MasksChanged) -> None:
        now = time.monotonic()
        former = self._mask_versions.newest
        version = item.mask_version
        has_current_masks = version is None or self._mask_versions.accept(version, now)
        is_switched_off = isinstance(item, Status) and item.state == "ended"
        if self._mask_versions.newest != former or is_switched_off:
            self._drop_frames()
        if isinstance(item, Status):
            if item.fence < self._fence and now - self.received_at < SILENCE_S:
                return  # of a process that has handed the camera over
            self._fence = item.fence
            self._receive_status(item)
        elif isinstance(item, Frame) and has_current_masks:
            if self._is_repeated_or_late(item, now):
                return
            self._frame_at, self._newest = now, item.order
            self._send_to_viewers(item)
        self.received_at = now

    def _receive_status(self, status: Status) -> None:
        former, self.status = self.status, status
        if former is None or former.visible_state != status.visible_state:
            self._for_each_viewer(lambda viewer: viewer.offer_status(status))

    def _for_each_viewer(self, action: Callable[[Viewer], None]) -> None:
        for viewer in tuple(self.viewers):
            try:
                action(viewer)
            except Exception as error:
                self._expel(viewer, error)

    def _is_repeated_or_late(self, frame: Frame, now: float) -> bool:
        """True for a frame that viewers must not get.

        Workers repeat the newest frame for new viewers in other processes. An earlier one is
        accepted after `SILENCE_S` without any: a process of an older version numbers no runs.
        """
        newest = self._newest
        if newest is None or frame.order > newest:
            return False
        return frame.order == newest or now - self._frame_at < SILENCE_S

    def expect_masks(self, version: str) -> None:
        """Send only frames with this mask version, which the database has, or a newer one."""
        if not self._mask_versions.expect(version, time.monotonic()):
            self._drop_frames()

    def _drop_frames(self) -> None:
        """Drop every frame that is held here: its masks are, or may be, out of date."""
        self.prepared = None
        self._for_each_viewer(lambda viewer: viewer.drop_frame())

    def _send_to_viewers(self, frame: Frame) -> None:
        prepared = self.prepared = self._prepare(frame)
        sent, is_fresh = 0, frame.is_fresh
        for viewer in tuple(self.viewers):
            try:
                if (is_fresh or viewer.shows_age) and viewer.offer_frame(prepared):
                    sent += 1
            except Exception as error:
                self._expel(viewer, error)
        prepared.is_first_round = False
        self.tally.received += 1
        self.tally.count_age(frame.age_ms, sent)
        if self._acknowledging and self._collecting is None:
            self._collecting = asyncio.get_running_loop().call_later(COLLECT_DELAY_S, self._collect)

    def _collect(self) -> None:
        """Read acknowledgements between two frames, so that this does not delay the next one."""
        self._collecting = None
        self._for_each_viewer(lambda viewer: viewer.collect_acknowledgements())

    def _expel(self, viewer: Viewer, error: Exception) -> None:
        """Unsubscribe a viewer that failed and close its connection; the others go on."""
        log.error("camera %s: a viewer failed and is closed", self.camera_id, exc_info=error)
        self.remove(viewer)
        if viewer.on_failure is not None:
            with suppress_and_log("camera %s: a viewer could not be closed", self.camera_id):
                viewer.on_failure()

    def check_silence(self) -> None:
        """Set the status to stale if ingest has sent nothing for `SILENCE_S`."""
        if self.status is not None and self.status.state in ("stale", "offline", "ended"):
            return
        if time.monotonic() - self.received_at > SILENCE_S:
            last = self.prepared.frame.timestamp if self.prepared else None
            since = last or int((time.time() - SILENCE_S) * 1000)
            stale = self.status = Status("stale", since, SILENT, last)
            self._for_each_viewer(lambda viewer: viewer.offer_status(stale))


AnyViewer = TypeVar("AnyViewer", bound=Viewer)


class Hub:
    """All feeds of this process. Owns their tasks.

    `demand` is what ingest has to send here. `demand_changed` is set when it may have changed.
    """

    def __init__(self, source: Source, prepare: Callable[[Frame], PreparedFrame]) -> None:
        """`prepare` wraps each frame for the viewers' formats."""
        self._source, self._prepare = source, prepare
        self._feeds: dict[tuple[str, int], Feed] = {}
        self._checks: asyncio.Task[None] | None = None
        self.tallies: dict[str, Tally] = {}  # by camera; they outlive the feeds
        self.demand_changed = asyncio.Event()

    @property
    def feeds(self) -> Collection[Feed]:
        """The feeds that are running."""
        return self._feeds.values()

    def demand(self) -> dict[str, list[Demand]]:
        """By camera: the widths and rates that are watched, or were within `LINGER_S`."""
        found: dict[str, list[Demand]] = {}
        for feed in self._feeds.values():
            found.setdefault(feed.camera_id, []).append(feed.demand)
        return found

    def join(
        self,
        camera_id: str,
        create: Callable[[Feed], AnyViewer],
        width: int = NATIVE,
        known: Status | None = None,
        mask_version: str | None = None,
    ) -> AnyViewer:
        """Subscribe the viewer that `create` returns. Its slot holds the newest frame, if any.

        `known` and `mask_version` are what the database has: the status until ingest sends one,
        and the masks that frames must have.
        """
        feed = self._feed(camera_id, width, known)
        if mask_version is not None:
            feed.expect_masks(mask_version)
        viewer = create(feed)
        feed.add(viewer)
        return viewer

    def _feed(self, camera_id: str, width: int, known: Status | None) -> Feed:
        if self._checks is None:
            self._checks = supervise(self._run_checks, "feed checks")
        feed = self._feeds.get((camera_id, width))
        if feed is None:
            tally = self.tallies.setdefault(camera_id, Tally())
            feed = Feed(camera_id, width, self._source, self._prepare, tally, self.demand_changed)
            self._feeds[camera_id, width] = feed
        feed.status = feed.status or known
        return feed

    async def _run_checks(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            self._check_feeds()

    def _check_feeds(self) -> None:
        for key, feed in list(self._feeds.items()):
            with suppress_and_log("a feed could not be checked"):
                feed.check_silence()
            if not feed.viewers and time.monotonic() - feed.left_at > LINGER_S:
                del self._feeds[key]
                feed.task.cancel()
                self.demand_changed.set()

    async def close(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = [feed.task for feed in self._feeds.values()]
        tasks += [self._checks] if self._checks is not None else []
        await end(*tasks)
        self._feeds.clear()
