"""What the hub's viewers got, for Prometheus. Django-free."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cameras.live.hub import Hub
from cameras.live.tally import AGES_MS

PATIENCE_S = 1.0
BOUNDS = [*(str(ms / 1000) for ms in AGES_MS), "+Inf"]  # in seconds


@dataclass(frozen=True, slots=True)
class Reading:
    """One camera's counts at one moment, viewers who left included; by kind of viewer.

    `ages` and `age_ms` are as `Tally` has them.
    """

    camera_id: str
    received: int
    delivered: Counter[str]
    dropped: Counter[str]
    viewers: Counter[str]
    ages: tuple[int, ...]
    age_ms: int


def read(hub: Hub) -> list[Reading]:
    """All cameras that were watched since the process began. On the hub's loop."""
    readings = {
        camera_id: Reading(
            camera_id,
            tally.received,
            Counter(tally.delivered),
            Counter(tally.dropped),
            Counter(dict.fromkeys(tally.delivered, 0)),
            tuple(tally.ages),
            tally.age_ms,
        )
        for camera_id, tally in hub.tallies.items()
    }
    for feed in hub.feeds:
        reading = readings[feed.camera_id]
        for viewer in feed.viewers:
            reading.delivered[viewer.kind] += viewer.delivered
            reading.dropped[viewer.kind] += viewer.missed
            reading.viewers[viewer.kind] += 1
    return list(readings.values())


class HubCollector(Collector):
    """Reads the hub when it is scraped: on its loop, so that nobody is seen half gone.

    To be made on that loop. Where it does not answer within `PATIENCE_S`, what was read last holds.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub, self._loop = hub, asyncio.get_running_loop()
        self._newest: list[Reading] = []

    async def _read(self) -> None:
        self._newest = read(self._hub)

    def collect(self) -> Iterator[Metric]:
        """Counters, the histogram of ages at delivery, and who is there."""
        asked = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        with suppress(TimeoutError):
            asked.result(PATIENCE_S)
        return _families(self._newest)


def _families(readings: list[Reading]) -> Iterator[Metric]:
    received = CounterMetricFamily(
        "sideline_frames_received", "Frames that came from ingest.", labels=["camera"]
    )
    delivered = CounterMetricFamily(
        "sideline_frames_delivered", "Frames that viewers got.", labels=["camera", "viewer"]
    )
    dropped = CounterMetricFamily(
        "sideline_frames_dropped",
        "Frames that a newer one replaced before the viewer took them.",
        labels=["camera", "viewer"],
    )
    viewers = GaugeMetricFamily("sideline_viewers", "Who watches now.", labels=["camera", "viewer"])
    ages = HistogramMetricFamily(
        "sideline_age_at_delivery_seconds",
        "How old the picture was when a viewer got it.",
        labels=["camera"],
    )
    for reading in readings:
        camera = [reading.camera_id]
        received.add_metric(camera, reading.received)
        for family, counts in (
            (delivered, reading.delivered),
            (dropped, reading.dropped),
            (viewers, reading.viewers),
        ):
            for kind, count in counts.items():
                family.add_metric([*camera, kind], count)
        buckets = list(zip(BOUNDS, accumulate(reading.ages), strict=True))
        ages.add_metric(camera, buckets, reading.age_ms / 1000)
    return iter((received, delivered, dropped, viewers, ages))
