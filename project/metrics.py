"""A process's metrics, served to Prometheus on a separate address. Without Django."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from project.tasks import restarts, supervise_all

log = logging.getLogger(__name__)

LAG_INTERVAL_S = 0.25  # between measurements of the event loop's lag
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


async def expose(address: tuple[str, int], *collectors: Collector) -> None:
    """Serve the collectors, the process's own metrics and its event loop's lag, until cancelled.

    Requests are answered in daemon threads. If the address (host, port) cannot be bound, log a
    warning and return: the process is more important than its metrics.
    """
    # Otherwise each series has another one that says when it began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    for collector in (*collectors, RestartCollector()):
        registry.register(collector)
    for process_collector in (ProcessCollector, PlatformCollector, GCCollector):
        process_collector(registry=registry)
    lag = Histogram(
        "sideline_event_loop_lag_seconds",
        "How much later than it asked for a task on the event loop was woken.",
        buckets=LAG_BUCKETS_S,
        registry=registry,
    )
    host, port = address
    try:
        # In a thread: it resolves this machine's name, which may block.
        await asyncio.to_thread(start_http_server, port, host, registry)
    except (OSError, RuntimeError) as error:
        log.warning("metrics are not served on port %d of %s: %s", port, host, error)
        return
    await supervise_all({"event loop lag": lambda: _measure(lag)})


async def _measure(lag: Histogram) -> None:
    while True:
        due = time.monotonic() + LAG_INTERVAL_S
        await asyncio.sleep(LAG_INTERVAL_S)
        lag.observe(max(0.0, time.monotonic() - due))


class RestartCollector(Collector):
    """Exports how often supervised tasks and child processes were started again."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield one counter, labelled by kind of task."""
        family = CounterMetricFamily(
            "sideline_task_restarts",
            "How often a task or child process failed and was started again.",
            labels=["task"],
        )
        for kind, count in sorted(restarts.items()):
            family.add_metric([kind], count)
        yield family
