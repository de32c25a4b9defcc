"""A wire that keeps what is written to a viewer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from cameras.live.formats import SeedViewer, V1Viewer
from cameras.live.hub import Hub
from cameras.live.variants import Variant
from tests.cameras.live.sources import NATIVE


class Paper:
    """A wire that keeps what is written. `full` makes it refuse; `said` is what the peer says."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.full = False
        self.at_once = False
        self.said: list[bytes] = []
        self.viewer: V1Viewer | None = None
        self._call: Callable[[], None] | None = None

    @property
    def ready(self) -> bool:
        return not self.full

    def write(self, data: bytes) -> bool:
        if not self.full:
            self.written.append(data)
        return not self.full

    def call_when_ready(self, call: Callable[[], None]) -> None:
        self._call = call

    def drain(self) -> None:
        """Have room again, and say so."""
        self.full = False
        call, self._call = self._call, None
        if call is not None:
            call()

    def read_now(self) -> None:
        said, self.said = self.said, []
        for word in said:
            assert self.viewer is not None
            self.viewer.hear(word)

    def read_at_once(self, wanted: bool) -> None:
        self.at_once = wanted

    def frames(self) -> list[int]:
        """Numbers of the pictures written, as both formats say them."""
        found = (re.search(rb'"(?:seq|timestamp)":(\d+)', data) for data in self.written)
        return [int(one[1]) for one in found if one]

    def words(self) -> list[dict[str, Any]]:
        """What was said beside the pictures."""
        return [json.loads(data[2:]) for data in self.written if data[:1] == b"\x81"]


def seed_on(hub: Hub, paper: Paper) -> SeedViewer:
    """A viewer as the seed has them, on this wire."""
    viewer = hub.join("a", lambda feed: SeedViewer(feed, Variant(), "a"))
    viewer.attach(paper)
    return viewer


def v1_on(hub: Hub, paper: Paper, variant: Variant = NATIVE) -> V1Viewer:
    """A `sideline.v1` viewer on this wire."""
    viewer = hub.join("a", lambda feed: V1Viewer(feed, variant, "a"))
    paper.viewer = viewer
    viewer.attach(paper)
    return viewer
