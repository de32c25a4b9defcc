"""Viewers that write to a recording `SocketWriter`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from cameras.live.formats import SeedViewer, V1Viewer
from cameras.live.hub import Hub
from cameras.live.variants import Variant
from tests.cameras.live.sources import NATIVE


class RecordingWriter:
    """A `SocketWriter` that keeps what is written.

    While `is_full` it is not ready. `unread` are messages of the peer that were not read yet.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_full = False
        self.auto_read = False
        self.unread: list[bytes] = []
        self.viewer: V1Viewer | None = None
        self._callback: Callable[[], None] | None = None

    @property
    def is_ready(self) -> bool:
        return not self.is_full

    def write(self, data: bytes) -> bool:
        if not self.is_full:
            self.written.append(data)
        return not self.is_full

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def drain(self) -> None:
        """Become ready, and call the callback."""
        self.is_full = False
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def read_now(self) -> None:
        unread, self.unread = self.unread, []
        for message in unread:
            assert self.viewer is not None
            self.viewer.receive(message)

    def set_auto_read(self, enabled: bool) -> None:
        self.auto_read = enabled

    def frames(self) -> list[int]:
        """The numbers (or timestamps) of the written pictures, in either format."""
        found = (re.search(rb'"(?:seq|timestamp)":(\d+)', data) for data in self.written)
        return [int(match[1]) for match in found if match]

    def texts(self) -> list[dict[str, Any]]:
        """The written JSON text messages."""
        return [json.loads(data[2:]) for data in self.written if data[:1] == b"\x81"]


def join_seed(hub: Hub, writer: RecordingWriter) -> SeedViewer:
    """A viewer of the seed's format with this writer."""
    viewer = hub.join("a", lambda feed: SeedViewer(feed, Variant(), "a"))
    viewer.attach(writer)
    return viewer


def join_v1(hub: Hub, writer: RecordingWriter, variant: Variant = NATIVE) -> V1Viewer:
    """A `sideline.v1` viewer with this writer."""
    viewer = hub.join("a", lambda feed: V1Viewer(feed, variant, "a"))
    writer.viewer = viewer
    viewer.attach(writer)
    return viewer
