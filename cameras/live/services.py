"""The hub, connection monitor, view log and ingest link of this process.

Each is created on first use, on the serving event loop.
"""

from __future__ import annotations

import asyncio
from functools import partial

from django.conf import settings

from cameras.live import channel_groups
from cameras.live.demand import IngestLink, RedisIngestLink, report_demand
from cameras.live.formats import PreparedFrame
from cameras.live.frames import Frame
from cameras.live.hub import Hub, Viewer
from cameras.live.variants import Variant
from cameras.models import Camera
from project.accounts.connection_monitor import ConnectionMonitor
from project.audit.view_log import ViewLog
from project.tasks import URGENT_S, supervise

SNAPSHOT_WAIT_S = 1.0

_hub: Hub | None = None
_connection_monitor: ConnectionMonitor | None = None
_view_log: ViewLog | None = None
_ingest_link: IngestLink | None = None


def hub() -> Hub:
    """Return the hub of this process."""
    global _hub
    if _hub is None:
        _hub = Hub(channel_groups.subscribe, PreparedFrame)
        if (link := ingest_link()) is not None:
            supervise(partial(report_demand, _hub, link), "demand", max_pause_s=URGENT_S)
    return _hub


def connection_monitor() -> ConnectionMonitor:
    """Return the connection monitor, which re-examines every open connection."""
    global _connection_monitor
    if _connection_monitor is None:
        _connection_monitor = ConnectionMonitor()
        supervise(_connection_monitor.run, "connection monitor", max_pause_s=URGENT_S)
    return _connection_monitor


def view_log() -> ViewLog:
    """Return the view log, in which every view is recorded."""
    global _view_log
    if _view_log is None:
        _view_log = ViewLog()
        supervise(_view_log.run, "view log")
    return _view_log


async def start_view_log() -> None:
    """Start the view log at once: views of processes that died have to be closed."""
    view_log()


async def close_view_log() -> None:
    """Write the end of every open view. `serve` calls it before the event loop ends."""
    if _view_log is not None:
        await _view_log.close()


def ingest_link() -> IngestLink | None:
    """Return the ingest link: Redis, or what `set_ingest_link` got; None without ingest."""
    global _ingest_link
    if _ingest_link is None and settings.REDIS_URL:
        _ingest_link = RedisIngestLink()
    return _ingest_link


def set_ingest_link(link: IngestLink) -> None:
    """Use a local link. `serve` calls it once, before the first connection."""
    global _ingest_link
    _ingest_link = link


async def newest_frame(camera: Camera, variant: Variant) -> Frame | None:
    """Wait up to `SNAPSHOT_WAIT_S` for a fresh frame; None without one.

    Subscribing makes ingest send one. It has the masks of `camera`.
    """
    viewer = hub().join(
        str(camera.pk),
        lambda feed: Viewer(feed, variant),
        variant.width,
        mask_version=camera.mask_version,
    )
    try:
        async with asyncio.timeout(SNAPSHOT_WAIT_S):
            frame = await viewer.next_frame()
            while not frame.is_fresh:
                frame = await viewer.next_frame()
            return frame
    except TimeoutError:
        return None
    finally:
        viewer.leave()
