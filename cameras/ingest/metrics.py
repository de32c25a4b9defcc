"""Prometheus metrics of the cameras' workers: counters over restarts, and states. Django-free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

COUNTS = ("captured", "published", "encodes")  # keys of state packets


class Totals:
    """Totals by camera and count since this process started, and the cameras' newest states.

    Bound: a few numbers per camera. Every worker counts from 0, so a count below the previous one
    comes from a new worker. What the old one counted after its last packet is lost.
    """

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], int] = {}
        self._last: dict[tuple[str, str], int] = {}
        self._is_live: dict[str, bool] = {}
        self._last_frame_ms: dict[str, int] = {}

    def add(self, header: dict[str, Any]) -> None:
        """Take the state and the counts of a state packet; the supervisor's have no counts."""
        camera_id = header["camera"]
        if header["state"] == "ended":
            self.forget(camera_id)
        else:
            self._is_live[camera_id] = header["state"] == "live"
            if header["last_frame"] is not None:
                self._last_frame_ms[camera_id] = header["last_frame"]
        for name in COUNTS:
            if name in header:
                key, count = (camera_id, name), int(header[name])
                last = self._last.get(key, 0)
                self._last[key] = count
                increase = count - last if count >= last else count
                self._totals[key] = self._totals.get(key, 0) + increase

    def forget(self, camera_id: str) -> None:
        """Drop the state of a camera that is not read here any more."""
        self._is_live.pop(camera_id, None)
        self._last_frame_ms.pop(camera_id, None)

    def forget_all(self) -> None:
        """Drop all states: the ingest process has ended."""
        self._is_live, self._last_frame_ms = {}, {}

    def states(self) -> list[tuple[str, bool, float | None]]:
        """Return id, whether it is live, and when its newest frame was taken. Thread-safe.

        Of each camera that is read here; in unix seconds, None before the first frame.
        """
        found: list[tuple[str, bool, float | None]] = []
        for camera_id, is_live in list(self._is_live.items()):
            last_ms = self._last_frame_ms.get(camera_id)
            found.append((camera_id, is_live, None if last_ms is None else last_ms / 1000))
        return found

    def by_camera(self, name: str) -> list[tuple[str, int]]:
        """Return camera ids with their totals of this count. Thread-safe."""
        everything = list(self._totals.items())  # an atomic copy
        return [(camera_id, total) for (camera_id, each), total in everything if each == name]


FAMILIES = (
    ("captured", "sideline_frames_captured", "Pictures taken from the camera."),
    ("published", "sideline_frames_published", "Frames handed to the web, in any width."),
    ("encodes", "sideline_encodes", "JPEGs made of the camera's pictures."),
)


class IngestCollector(Collector):
    """Exports the totals and the states at the moment of a scrape."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Yield a counter per count, and two gauges, labelled by camera."""
        for count, name, meaning in FAMILIES:
            family = CounterMetricFamily(name, meaning, labels=["camera"])
            for camera_id, total in self._totals.by_camera(count):
                family.add_metric([camera_id], total)
            yield family
        up = GaugeMetricFamily(
            "sideline_camera_up", "1 if the camera is live; absent if not read.", labels=["camera"]
        )
        newest = GaugeMetricFamily(
            "sideline_camera_last_frame_timestamp_seconds",
            "When the newest frame was taken; absent before the first one.",
            labels=["camera"],
        )
        for camera_id, is_live, last_frame_at in self._totals.states():
            up.add_metric([camera_id], is_live)
            if last_frame_at is not None:
                newest.add_metric([camera_id], last_frame_at)
        yield from (up, newest)
