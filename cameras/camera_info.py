"""The names of the cameras, for Prometheus: other metrics have only ids, as names change."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cameras.models import Camera
from project.database.health import health
from project.database.postgresql.base import statement_limit

log = logging.getLogger(__name__)

CACHED_S = 10.0
READ_S = 2.0  # less than the time-outs of scrapes


class CameraInfoCollector(Collector):
    """Reads the enabled cameras on a scrape, at most every `CACHED_S`.

    During an outage of the database the last names are exported. Bound: one row per camera.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, str]] = []
        self._read_at = float("-inf")  # monotonic seconds

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge with the value 1."""
        now = time.monotonic()
        if now - self._read_at > CACHED_S and not health.is_failing:
            self._read_at = now
            self._read()
        family = GaugeMetricFamily(
            "sideline_camera_info",
            "The enabled cameras. Join the others with it by `camera`.",
            labels=["camera", "name", "organization", "kind"],
        )
        for row in self._rows:
            family.add_metric(row, 1)
        yield family

    def _read(self) -> None:
        close_old_connections()
        try:
            cameras = Camera.objects.filter(enabled=True).order_by("pk")
            rows = cameras.values_list("pk", "name", "organization__slug", "kind")
            with statement_limit(READ_S):
                self._rows = [(str(pk), name, slug, kind) for pk, name, slug, kind in rows]
        except DatabaseError as error:
            log.warning("the names of cameras could not be read for the metrics: %s", error)
        finally:
            connection.close()  # of the scrape's own thread
