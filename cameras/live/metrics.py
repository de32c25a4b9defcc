"""Counters of received, delivered and dropped frames, exported to Prometheus. Django-free."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from cameras.live.hub import Hub, Viewer


# Upper bounds of the histogram in ms. `Tally.ages` has one more bucket, for older pictures.
AGES_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


class Tally:
    """One camera's counts since the process began. Bound: a few numbers per camera.

    `delivered` and `dropped` are by kind of viewer, and of viewers that have left; the others have
    their own counts. `ages` counts deliveries by the picture's age, `age_ms` is the sum of ages.
    """

    __slots__ = ("age_ms", "ages", "delivered", "dropped", "received")

    def __init__(self) -> None:
        self.received = 0
        self.delivered: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.ages = [0] * (len(AGES_MS) + 1)
        self.age_ms = 0

    def count_age(self, age_ms: int, deliveries: int = 1) -> None:
        """Add deliveries of a picture of this age."""
        self.ages[bisect_left(AGES_MS, age_ms)] += deliveries
        self.age_ms += age_ms * deliveries

    def add_viewer(self, kind: str, delivered: int, dropped: int) -> None:
        """Add the counts of a viewer that has left."""
        self.delivered[kind] += delivered
        self.dropped[kind] += dropped


TIMEOUT_S = 1.0
BUCKETS = [*(str(ms / 1000) for ms in AGES_MS), "+Inf"]  # in seconds


class HubCollector(Collector):
    """Reads the hub on every scrape, on the hub's event loop, so that the counts are consistent.

    Must be created on that loop. If it does not answer within `TIMEOUT_S`, the last counts are
    returned again.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub, self._loop = hub, asyncio.get_running_loop()
        self._newest: list[Metric] = []

    async def _read(self) -> None:
        self._newest = _metrics(self._hub)

    def collect(self) -> Iterator[Metric]:
        """The counters, the histogram of ages at delivery, and the number of viewers."""
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        with suppress(TimeoutError):
            reading.result(TIMEOUT_S)
        return iter(self._newest)


def _metrics(hub: Hub) -> list[Metric]:
    """Those of all cameras watched so far."""
    received = CounterMetricFamily(
        "sideline_frames_received", "Frames received from ingest.", labels=["camera"]
    )
    delivered = CounterMetricFamily(
        "sideline_frames_delivered", "Frames sent to viewers.", labels=["camera", "viewer"]
    )
    dropped = CounterMetricFamily(
        "sideline_frames_dropped",
        "Frames that a newer one replaced before the viewer took them.",
        labels=["camera", "viewer"],
    )
    viewers = GaugeMetricFamily(
        "sideline_viewers", "Viewers connected now.", labels=["camera", "viewer"]
    )
    ages = HistogramMetricFamily(
        "sideline_age_at_delivery_seconds",
        "How old the picture was when a viewer got it. Without snapshots.",
        labels=["camera"],
    )
    connected: defaultdict[str, list[Viewer]] = defaultdict(list)
    for feed in hub.feeds:
        connected[feed.camera_id].extend(feed.viewers)
    for camera_id, tally in hub.tallies.items():
        received.add_metric([camera_id], tally.received)
        buckets = list(zip(BUCKETS, accumulate(tally.ages), strict=True))
        ages.add_metric([camera_id], buckets, tally.age_ms / 1000)
        sent, missed = Counter(tally.delivered), Counter(tally.dropped)
        now = Counter(viewer.kind for viewer in connected[camera_id])
        for viewer in connected[camera_id]:
            sent[viewer.kind] += viewer.delivered
            missed[viewer.kind] += viewer.missed
        for kind in sent:
            delivered.add_metric([camera_id, kind], sent[kind])
            dropped.add_metric([camera_id, kind], missed[kind])
            viewers.add_metric([camera_id, kind], now[kind])
    return [received, delivered, dropped, viewers, ages]
