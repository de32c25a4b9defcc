"""What the cameras' workers did, added up over their restarts, for Prometheus. Django-free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

COUNTS = ("captured", "published", "encodes")  # as state packets call them


class Totals:
    """By camera and count, since this process began. Bound: a few numbers a camera.

    Every worker counts from 0: a count below the one before it is another worker's. What the former
    one counted after its last packet is lost.
    """

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], int] = {}
        self._last: dict[tuple[str, str], int] = {}

    def note(self, header: dict[str, Any]) -> None:
        """What the header of a state packet counts; those of the supervisor count nothing."""
        for name in COUNTS:
            if name in header:
                place, count = (header["camera"], name), int(header[name])
                last = self._last.get(place, 0)
                self._last[place] = count
                more = count - last if count >= last else count
                self._totals[place] = self._totals.get(place, 0) + more

    def of(self, name: str) -> list[tuple[str, int]]:
        """Cameras with their totals of this count. From any thread."""
        everything = list(self._totals.items())  # at once: nothing is added meanwhile
        return [(camera_id, total) for (camera_id, each), total in everything if each == name]


FAMILIES = (
    ("captured", "sideline_frames_captured", "Pictures taken from the camera."),
    ("published", "sideline_frames_published", "Frames handed to the web, in any width."),
    ("encodes", "sideline_encodes", "JPEGs made of the camera's pictures."),
)


class IngestCollector(Collector):
    """The totals as they are when it is scraped."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[CounterMetricFamily]:
        """A counter for each count, by camera."""
        for count, name, meaning in FAMILIES:
            family = CounterMetricFamily(name, meaning, labels=["camera"])
            for camera_id, total in self._totals.of(count):
                family.add_metric([camera_id], total)
            yield family
