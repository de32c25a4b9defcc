"""What the cameras' workers did, for Prometheus. Django-free."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from cameras.ingest.totals import Totals

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
