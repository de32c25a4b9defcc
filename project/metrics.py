"""A process's figures, served to Prometheus on an address of their own. Django-free."""

from __future__ import annotations

import asyncio
import logging
import time

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

PERIOD_S = 0.25
LAGS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


async def expose(address: tuple[str, int], *collectors: Collector) -> None:
    """Serve these, the process's own figures and its loop's lag, until cancelled.

    Answers in threads that end with the process. Where the address (host and port) cannot be
    listened on, it says so and ends: the process is worth more than its figures.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    for own in (ProcessCollector, PlatformCollector, GCCollector):
        own(registry=registry)
    lag = Histogram(
        "sideline_event_loop_lag_seconds",
        "How much later than it asked for a task on the event loop was woken.",
        buckets=LAGS_S,
        registry=registry,
    )
    host, port = address
    try:
        # In a thread, for it asks the resolver for this machine's name.
        await asyncio.to_thread(start_http_server, port, host, registry)
    except (OSError, RuntimeError) as error:
        log.warning("metrics are not served on port %d of %s: %s", port, host, error)
        return
    while True:
        due = time.monotonic() + PERIOD_S
        await asyncio.sleep(PERIOD_S)
        lag.observe(max(0.0, time.monotonic() - due))
