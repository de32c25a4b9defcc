"""Prometheus counters of the cameras' workers, summed over worker restarts. Django-free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

COUNTS = ("captured", "published", "encodes")  # keys of state packets


class Totals:
    """Totals by camera and count since this process started. Bound: a few numbers per camera.

    Every worker counts from 0, so a count below the previous one comes from a new worker. What the
    old one counted after its last packet is lost.
    """

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], int] = {}
        self._last: dict[tuple[str, str], int] = {}

    def add(self, header: dict[str, Any]) -> None:
        """Add the counts in the header of a state packet; the supervisor's packets have none."""
        for name in COUNTS:
            if name in header:
                key, count = (header["camera"], name), int(header[name])
                last = self._last.get(key, 0)
                self._last[key] = count
                increase = count - last if count >= last else count
                self._totals[key] = self._totals.get(key, 0) + increase

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
    """Exports the totals at the moment of a scrape."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield one counter family per count, labelled by camera."""
        for count, name, meaning in FAMILIES:
            family = CounterMetricFamily(name, meaning, labels=["camera"])
            for camera_id, total in self._totals.by_camera(count):
                family.add_metric([camera_id], total)
            yield family
