"""This process's hub, watchman, logbook and line to ingest: made on first use, on its loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from django.conf import settings

from cameras.audit.logbook import Logbook
from cameras.live import groups
from cameras.live.admission import Watchman
from cameras.live.demand import Line, RedisLine, announce
from cameras.live.hub import Hub

log = logging.getLogger(__name__)

_hub: Hub | None = None
_watchman: Watchman | None = None
_logbook: Logbook | None = None
_line: Line | None = None
_tasks: set[asyncio.Task[None]] = set()


def hub() -> Hub:
    """The one hub."""
    global _hub
    if _hub is None:
        _hub = Hub(groups.follow)
        if (way := line()) is not None:
            _own(announce(_hub, way), "demand")
    return _hub


def watchman() -> Watchman:
    """The one watchman, re-examining everyone who holds a connection open."""
    global _watchman
    if _watchman is None:
        _watchman = Watchman()
        _own(_watchman.patrol(), "watchman")
    return _watchman


def logbook() -> Logbook:
    """The one logbook, in which every view is on record."""
    global _logbook
    if _logbook is None:
        _logbook = Logbook()
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


def line() -> Line | None:
    """The way to ingest: Redis, or what `connect` was given; None where there is no ingest."""
    global _line
    if _line is None and settings.REDIS_URL:
        _line = RedisLine()
    return _line


def connect(way: Line) -> None:
    """Use a local line; called once by `serve` before the first connection."""
    global _line
    _line = way
