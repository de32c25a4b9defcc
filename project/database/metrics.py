"""Whether the database can be used, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from project.database.health import health


class DatabaseCollector(Collector):
    """Exports what this process knows; it asks nothing of the database."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge."""
        yield GaugeMetricFamily(
            "sideline_database_up",
            "1 unless this process cannot use its database.",
            value=not health.is_failing,
        )
