"""Frames that were handed in: claimed once in the database, then given to ingest."""

from __future__ import annotations

import asyncio
import enum
import logging
import uuid
from collections.abc import Sequence

from channels.db import database_sync_to_async
from django.db import transaction

from cameras.live import process
from cameras.live.parcels import Parcel
from cameras.models import Camera, Kind
from cameras.models.clocks import PushClock

log = logging.getLogger(__name__)

RETRY_S = 1.0


class Verdict(enum.Enum):
    """What becomes of a frame."""

    ACCEPTED = enum.auto()
    DUPLICATE = enum.auto()  # not newer than the last accepted one
    SWITCHED_OFF = enum.auto()
    NOT_PUSH = enum.auto()  # the camera became one of another kind
    GONE = enum.auto()  # no such camera
    NOBODY = enum.auto()  # nobody takes it just now: it may be sent again


async def take(camera_id: uuid.UUID, parcel: Parcel) -> Verdict:
    """Publish the frame of somebody who may publish, if it is new."""
    verdict = await _claims.ask(camera_id, parcel.timestamp)
    if verdict is Verdict.ACCEPTED and not await hand_over(camera_id, parcel):
        return Verdict.NOBODY
    return verdict


async def hand_over(camera_id: uuid.UUID, parcel: Parcel) -> bool:
    """Give ingest a frame that was claimed; where nobody takes it, the claim is given back."""
    line = process.line()
    if line is not None and await line.push(str(camera_id), parcel.timestamp, parcel.jpeg):
        return True
    await database_sync_to_async(PushClock.give_back)(camera_id, parcel.timestamp)
    return False


@transaction.atomic
def claim(asked: Sequence[tuple[uuid.UUID, int]]) -> list[Verdict]:
    """Judge cameras' frames by their timestamps in unix ms, all in one transaction."""
    rows = Camera.objects.filter(pk__in={camera_id for camera_id, _ in asked})
    cameras = {camera.pk: camera for camera in rows.only("pk", "kind", "enabled")}
    verdicts = [Verdict.GONE] * len(asked)
    for at in sorted(range(len(asked)), key=asked.__getitem__):  # in one order: no deadlock
        camera_id, timestamp = asked[at]
        if camera_id in cameras:
            verdicts[at] = _verdict(cameras[camera_id], timestamp)
    return verdicts


def _verdict(camera: Camera, timestamp: int) -> Verdict:
    if camera.kind != Kind.PUSH:
        return Verdict.NOT_PUSH
    if not camera.enabled:
        return Verdict.SWITCHED_OFF
    return Verdict.ACCEPTED if PushClock.accept(camera.pk, timestamp) else Verdict.DUPLICATE


class Claims:
    """Claims for all publishers of this process: those that come during a transaction share the
    next one, so that many publishers do not each take a turn of the database's thread.

    Bound: one frame of each publisher, for each waits for its answer.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[uuid.UUID, int, asyncio.Future[Verdict]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, camera_id: uuid.UUID, timestamp: int) -> Verdict:
        """A database that does not answer is logged; the frame may be sent again a second later."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append((camera_id, timestamp, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="claims")
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            asked = [(camera_id, timestamp) for camera_id, timestamp, _ in batch]
            try:
                verdicts = await database_sync_to_async(claim)(asked)
            except Exception:
                log.exception("frames that were handed in could not be claimed")
                verdicts = [Verdict.NOBODY] * len(batch)
                await asyncio.sleep(RETRY_S)
            for (*_, answer), verdict in zip(batch, verdicts, strict=True):
                if not answer.done():  # by a publisher who is gone
                    answer.set_result(verdict)


_claims = Claims()
