"""Stores states and stills in the background, because the database may be slow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from cameras.models import Camera, CameraState, CameraStill
from project.database.errors import unavailability
from project.tasks import suppress_and_log

log = logging.getLogger(__name__)
Write = tuple[int, Callable[..., None], tuple[Any, ...]]  # fence, function, arguments


class StaleFence(Exception):
    """A newer lease of the camera exists; nothing was written."""


class StateWriter:
    """The one writer for all cameras; Django's writes share one thread anyway.

    Bound: one pending state and one pending still per camera; the newest wins. First in, first out.
    """

    def __init__(self, on_stale_fence: Callable[[str, int], None]) -> None:
        """`on_stale_fence` is called with the camera id and the fence of a refused write."""
        self._on_stale_fence = on_stale_fence
        self._pending: dict[tuple[str, str], Write] = {}  # by camera id and "state" or "still"
        self._changed = asyncio.Event()

    def put_state(self, header: dict[str, Any]) -> None:
        """Queue a state packet."""
        self._put((header["camera"], "state"), header["fence"], store_state, header)

    def put_still(
        self, camera_id: str, fence: int, timestamp: int, jpeg: bytes, mask_version: str
    ) -> None:
        """Queue a camera's last picture; `mask_version` is that of the masks on it."""
        arguments = (camera_id, fence, timestamp, jpeg, mask_version)
        self._put((camera_id, "still"), fence, store_still, *arguments)

    async def run(self) -> None:
        """Write until cancelled. An error is logged and its write dropped."""
        while True:
            while self._pending:
                await self._write_next()
            await self._changed.wait()
            self._changed.clear()

    async def _write_next(self) -> None:
        key = next(iter(self._pending))
        fence, write, arguments = self._pending.pop(key)
        with suppress_and_log("camera %s: its %s could not be stored", *key):
            try:
                await database_sync_to_async(write)(*arguments)
            except StaleFence:
                log.info("camera %s: a %s with the stale fence %d was refused", *key, fence)
                self._on_stale_fence(key[0], fence)
            except DatabaseError as error:
                if unavailability(error) is None:
                    raise
                log.warning("camera %s: its %s could not be stored: %s", *key, error)

    def _put(
        self, key: tuple[str, str], fence: int, write: Callable[..., None], *arguments: Any
    ) -> None:
        self._pending[key] = (fence, write, arguments)  # replaced, it keeps its place in the queue
        self._changed.set()


def store_state(header: dict[str, Any]) -> None:
    """Write a state packet; do nothing if the camera was deleted meanwhile.

    Raises `StaleFence` if its fence is not the camera's newest.
    """
    last = header["last_frame"]
    values: dict[str, Any] = {
        "state": header["state"],
        "since": _to_datetime(header["since"]),
        "reason": header["reason"][:300],
        "fps": header["fps"] or 0,
        "width": header["width"] or 0,
        "height": header["height"] or 0,
        "reported_at": Now(),  # the database's clock: hosts that read it have others
    }
    if last is not None:
        values["last_frame_at"] = _to_datetime(last)
    if not _writable_state(header["camera"], header["fence"]).update(**values):
        _raise_unless_deleted(header["camera"])


@transaction.atomic
def store_still(
    camera_id: str, fence: int, timestamp: int, jpeg: bytes, mask_version: str = ""
) -> None:
    """Write the last picture of a camera. Raises `StaleFence` as above.

    Do nothing if the camera's masks changed since: `mask_version` is not the current one.
    """
    camera = Camera.objects.select_for_update(no_key=True).filter(pk=camera_id).first()
    if camera is None or camera.mask_version != mask_version:
        return
    values = {"jpeg": jpeg, "taken_at": _to_datetime(timestamp)}
    stills = CameraStill.objects.filter(camera__state__in=_writable_state(camera_id, fence))
    if stills.update(**values):
        return
    if not _writable_state(camera_id, fence).exists():
        _raise_unless_deleted(camera_id)
    elif not CameraStill.objects.filter(camera_id=camera_id).exists():
        first = CameraStill(camera_id=camera_id, **values)
        CameraStill.objects.bulk_create([first], ignore_conflicts=True)


def _writable_state(camera_id: str, fence: int) -> QuerySet[CameraState]:
    """Return the camera's state row; empty if the fence may not write it."""
    return CameraState.objects.filter(camera_id=camera_id, fence__lte=fence)


def _raise_unless_deleted(camera_id: str) -> None:
    if Camera.objects.filter(pk=camera_id).exists():
        raise StaleFence


def _to_datetime(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
