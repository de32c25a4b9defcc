"""One width of one camera in this process, and who watches it. Django-free.

A feed is filled by one task from one source. What a viewer did not take in time is dropped and
counted, so a slow one costs nobody anything and sees no old picture.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable

from cameras.live.frames import Frame
from cameras.live.marks import Marks, Masked
from cameras.live.messages import PreparedFrame
from cameras.live.status import Status
from cameras.live.tally import Tally
from cameras.live.variants import NATIVE, Wish
from cameras.live.viewers import Viewer

log = logging.getLogger(__name__)

SILENCE_S = 3.0  # without a word from ingest for this long, the picture is stale
RETRY_S = 1.0
COLLECT_S = 0.015  # after a frame; by then most have acknowledged it, and the next is not due

Source = Callable[[str, int], AsyncGenerator[Frame | Status | Masked, None]]


class Feed:
    """One width of one camera in this process: the newest frame and status, and who watches."""

    def __init__(
        self, camera_id: str, width: int, source: Source, tally: Tally, changed: asyncio.Event
    ) -> None:
        self.camera_id, self.width, self.tally = camera_id, width, tally
        self.viewers: set[Viewer] = set()
        self.prepared: PreparedFrame | None = None
        self.status: Status | None = None
        self.heard_at = self.left_at = self._framed_at = time.monotonic()
        self._timestamp: int | None = None  # of what was handed out last
        self._on_credit = 0  # viewers who acknowledge
        self._collecting: asyncio.TimerHandle | None = None
        self._changed = changed
        self._marks = Marks()
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
        prepared = self.prepared = PreparedFrame(frame)
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
