"""This process's hub, connection monitor, view log and line to ingest.

Each is made on first use, on the serving loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from django.conf import settings

from cameras.live import channel_groups
from cameras.live.demand import IngestLink, RedisIngestLink, announce
from cameras.live.formats import PreparedFrame
from cameras.live.hub import Hub
from project.accounts.connection_monitor import ConnectionMonitor
from project.audit.view_log import ViewLog

log = logging.getLogger(__name__)

_hub: Hub | None = None
_connection_monitor: ConnectionMonitor | None = None
_logbook: ViewLog | None = None
_line: IngestLink | None = None
_tasks: set[asyncio.Task[None]] = set()


def hub() -> Hub:
    """The one hub."""
    global _hub
    if _hub is None:
        _hub = Hub(channel_groups.follow, PreparedFrame)
        if (way := ingest_link()) is not None:
            _own(announce(_hub, way), "demand")
    return _hub


def connection_monitor() -> ConnectionMonitor:
    """The one connection monitor, re-examining everyone who holds a connection open."""
    global _connection_monitor
    if _connection_monitor is None:
        _connection_monitor = ConnectionMonitor()
        _own(_connection_monitor.run(), "connection monitor")
    return _connection_monitor


def logbook() -> ViewLog:
    """The one logbook, in which every view is on record."""
    global _logbook
    if _logbook is None:
        _logbook = ViewLog()
        _own(_logbook.keep(), "logbook")
    return _logbook


async def open_logbook() -> None:
    """Keep it from now on: others may have left views that are to be closed."""
    logbook()


async def close_logbook() -> None:
    """Write the ends of all views; called by `serve` before the loop ends."""
    if _logbook is not None:
        await _logbook.close()


def _own(work: Coroutine[Any, Any, None], name: str) -> None:
    """Run a task as long as the process; its end is a failure that must be seen.

    In a context of its own: that of the request which happens to be the first takes its thread
    along when it is over.
    """
    task = asyncio.create_task(work, name=name, context=Context())
    _tasks.add(task)
    task.add_done_callback(_report)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.critical("the task %s ended", task.get_name(), exc_info=task.exception())


def ingest_link() -> IngestLink | None:
    """The way to ingest: Redis, or what `connect` was given; None where there is no ingest."""
    global _line
    if _line is None and settings.REDIS_URL:
        _line = RedisIngestLink()
    return _line


def connect(way: IngestLink) -> None:
    """Use a local line; called once by `serve` before the first connection."""
    global _line
    _line = way
