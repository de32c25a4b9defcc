"""`manage.py ingest`: read all cameras as a child of `serve`, or a share of them with Redis."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cameras.ingest.leases.embedded import EmbeddedLeases
from cameras.ingest.leases.shared import RedisLeases
from cameras.ingest.links import Link, SocketLink
from cameras.ingest.metrics import IngestCollector
from cameras.ingest.redis_link import RedisLink
from cameras.ingest.supervisor import Supervisor
from project.database import probe
from project.database.metrics import DatabaseCollector
from project.database.tables import require_tables
from project.metrics import expose
from project.tasks import end, restarts, start, supervise

REPORT_S = 1.0


class Command(BaseCommand):
    help = "Read the cameras and publish their frames."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--link", type=int, help="an inherited socket (used by serve)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["link"] is None:  # `serve` checked it for its child
            require_tables()
        if options["link"] is None and not settings.REDIS_URL:
            raise CommandError(
                "Without REDIS_URL the cameras are read by “manage.py serve” itself; "
                "set REDIS_URL for both to run them apart."
            )
        probe.watch("ingest")
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_ingest(options["link"]))


async def _ingest(descriptor: int | None) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    if descriptor is not None:
        # Ctrl-C reaches the whole process group; the parent decides when this process ends.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
    else:
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    link: Link
    supervisor = Supervisor(RedisLeases() if descriptor is None else EmbeddedLeases())
    loop.add_signal_handler(signal.SIGTERM, supervisor.end_in_order)
    reporting: list[asyncio.Task[None]] = []
    if descriptor is None:
        link = RedisLink()
        if settings.METRICS is not None:  # without Redis, `serve` exposes the metrics
            exposed = expose(
                settings.METRICS, IngestCollector(supervisor.totals), DatabaseCollector()
            )
            reporting.append(start(exposed, "metrics"))
    else:
        link = await SocketLink.from_socket(socket.socket(fileno=descriptor))
        reporting.append(supervise(partial(_report_restarts, link), "restart reports"))
    try:
        await supervisor.run(link)
    finally:
        await end(*reporting)


async def _report_restarts(link: Link) -> None:
    """Tell `serve`, which exposes the metrics, how often tasks and workers were started again.

    It also learns from this that this process lives.
    """
    while True:
        await link.send({"type": "restarts", "counts": dict(restarts)}, b"")
        await asyncio.sleep(REPORT_S)
