"""The states and stills on their way to the database, which may be slow: nobody waits for it."""

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
from django.utils import timezone

from cameras.models import Camera, CameraState, CameraStill

log = logging.getLogger(__name__)
Write = tuple[int, Callable[..., None], tuple[Any, ...]]  # the fence, what to call, with what


class Outranked(Exception):
    """Another lease of the camera was claimed after the writer's: nothing was written."""


class StateWriter:
    """One writer for all cameras, because Django's writes share one thread anyway.

    Bound: of each camera one state and one still wait; the newest wins. Cameras take turns.
    """

    def __init__(self, refused: Callable[[str, int], None]) -> None:
        """`refused` hears of a camera and a fence whose write came too late."""
        self._refused = refused
        self._waiting: dict[tuple[str, str], Write] = {}  # by camera and slot
        self._changed = asyncio.Event()

    def state(self, header: dict[str, Any]) -> None:
        """Store a state packet when there is time."""
        self._put((header["camera"], "state"), header["fence"], store_state, header)

    def still(self, camera_id: str, fence: int, timestamp: int, jpeg: bytes, mark: str) -> None:
        """Store a camera's last picture when there is time; `mark` names the masks it has."""
        facts = (camera_id, fence, timestamp, jpeg, mark)
        self._put((camera_id, "still"), fence, store_still, *facts)

    async def run(self) -> None:
        """Write for ever; what the database refuses is logged and given up."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                place = next(iter(self._waiting))
                fence, write, facts = self._waiting.pop(place)
                try:
                    await database_sync_to_async(write)(*facts)
                except Outranked:
                    log.info("camera %s: a late %s of lease %d was refused", *place, fence)
                    self._refused(place[0], fence)
                except DatabaseError as error:
                    log.warning("camera %s: its %s could not be stored: %s", *place, error)

    def _put(
        self, place: tuple[str, str], fence: int, write: Callable[..., None], *facts: Any
    ) -> None:
        self._waiting[place] = (fence, write, facts)  # keeps its place in the queue
        self._changed.set()


def store_state(header: dict[str, Any]) -> None:
    """Write a state packet; a camera deleted meanwhile leaves nothing behind.

    Raises `Outranked` where its fence is not the camera's newest.
    """
    last = header["last_frame"]
    values = {
        "state": header["state"],
        "since": _moment(header["since"]),
        "reason": header["reason"][:300],
        "fps": header["fps"] or 0,
        "width": header["width"] or 0,
        "height": header["height"] or 0,
        "reported_at": timezone.now(),
    }
    if last is not None:
        values["last_frame_at"] = _moment(last)
    if not _states(header["camera"], header["fence"]).update(**values):
        _refuse(header["camera"])


@transaction.atomic
def store_still(camera_id: str, fence: int, timestamp: int, jpeg: bytes, mark: str = "") -> None:
    """Keep the last picture of a camera. Raises `Outranked` as above.

    A picture whose `mark` is not that of the camera's masks is not kept: they were changed.
    """
    camera = Camera.objects.select_for_update(no_key=True).filter(pk=camera_id).first()
    if camera is None or camera.mark != mark:
        return
    values = {"jpeg": jpeg, "taken_at": _moment(timestamp)}
    stills = CameraStill.objects.filter(camera__state__in=_states(camera_id, fence))
    if stills.update(**values):
        return
    if not _states(camera_id, fence).exists():
        _refuse(camera_id)
    elif not CameraStill.objects.filter(camera_id=camera_id).exists():
        first = CameraStill(camera_id=camera_id, **values)
        CameraStill.objects.bulk_create([first], ignore_conflicts=True)


def _states(camera_id: str, fence: int) -> QuerySet[CameraState]:
    """The camera's state, if the fence may write it."""
    return CameraState.objects.filter(camera_id=camera_id, fence__lte=fence)


def _refuse(camera_id: str) -> None:
    if Camera.objects.filter(pk=camera_id).exists():
        raise Outranked


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
