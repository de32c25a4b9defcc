"""This process's hub, connection monitor, view log and line to ingest.

Each is made on first use, on the serving loop.
"""

from __future__ import annotations

import asyncio
import time

from django.conf import settings

from cameras.live import channel_groups
from cameras.live.demand import IngestLink, RedisIngestLink, announce
from cameras.live.formats import PreparedFrame
from cameras.live.frames import Frame
from cameras.live.hub import Hub, Viewer
from cameras.live.variants import Variant
from cameras.models import Camera
from project.accounts.connection_monitor import ConnectionMonitor
from project.audit.view_log import ViewLog
from project.tasks import start

SNAPSHOT_WAIT_S = 1.0
FRESH_MS = 3000  # an older picture is not given out as the newest

_hub: Hub | None = None
_connection_monitor: ConnectionMonitor | None = None
_view_log: ViewLog | None = None
_ingest_link: IngestLink | None = None


def hub() -> Hub:
    """The one hub."""
    global _hub
    if _hub is None:
        _hub = Hub(channel_groups.follow, PreparedFrame)
        if (way := ingest_link()) is not None:
            start(announce(_hub, way), "demand")
    return _hub


def connection_monitor() -> ConnectionMonitor:
    """The one connection monitor, re-examining everyone who holds a connection open."""
    global _connection_monitor
    if _connection_monitor is None:
        _connection_monitor = ConnectionMonitor()
        start(_connection_monitor.run(), "connection monitor")
    return _connection_monitor


def view_log() -> ViewLog:
    """The one logbook, in which every view is on record."""
    global _view_log
    if _view_log is None:
        _view_log = ViewLog()
        start(_view_log.keep(), "view log")
    return _view_log


async def start_view_log() -> None:
    """Keep it from now on: others may have left views that are to be closed."""
    view_log()


async def close_view_log() -> None:
    """Write the ends of all views; called by `serve` before the loop ends."""
    if _view_log is not None:
        await _view_log.close()


def ingest_link() -> IngestLink | None:
    """The way to ingest: Redis, or what `connect` was given; None where there is no ingest."""
    global _ingest_link
    if _ingest_link is None and settings.REDIS_URL:
        _ingest_link = RedisIngestLink()
    return _ingest_link


def connect(way: IngestLink) -> None:
    """Use a local line; called once by `serve` before the first connection."""
    global _ingest_link
    _ingest_link = way


async def newest_frame(camera: Camera) -> Frame | None:
    """A fresh frame, waited for at most a second; the wish for it makes ingest send one.

    It has the masks that `camera` has.
    """
    viewer = hub().join(str(camera.pk), lambda feed: Viewer(feed, Variant()), mark=camera.mark)
    try:
        async with asyncio.timeout(SNAPSHOT_WAIT_S):
            frame = await viewer.next_frame()
            while not is_fresh(frame):
                frame = await viewer.next_frame()
            return frame
    except TimeoutError:
        return None
    finally:
        viewer.leave()


def is_fresh(frame: Frame) -> bool:
    """False for a frame that is too old to be given out as the newest."""
    return frame.age_ms(int(time.time() * 1000)) <= FRESH_MS
