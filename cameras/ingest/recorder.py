"""The states and stills on their way to the database, which may be slow: nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from cameras.ingest import reports

log = logging.getLogger(__name__)

Write = tuple[int, Callable[..., None], tuple[Any, ...]]  # the fence, what to call, with what


class Recorder:
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
        self._put((header["camera"], "state"), header["fence"], reports.store_state, header)

    def still(self, camera_id: str, fence: int, timestamp: int, jpeg: bytes, mark: str) -> None:
        """Store a camera's last picture when there is time; `mark` names the masks it has."""
        facts = (camera_id, fence, timestamp, jpeg, mark)
        self._put((camera_id, "still"), fence, reports.store_still, *facts)

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
                except reports.Outranked:
                    log.info("camera %s: a late %s of lease %d was refused", *place, fence)
                    self._refused(place[0], fence)
                except DatabaseError as error:
                    log.warning("camera %s: its %s could not be stored: %s", *place, error)

    def _put(
        self, place: tuple[str, str], fence: int, write: Callable[..., None], *facts: Any
    ) -> None:
        self._waiting[place] = (fence, write, facts)  # keeps its place in the queue
        self._changed.set()
