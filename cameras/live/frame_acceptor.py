"""Pushed frames, parsed and permitted: claimed in the database, and handed over to ingest."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from channels.db import database_sync_to_async
from django.db import transaction

from cameras.live import services
from cameras.live.demand import Verdict
from cameras.live.incoming import PushedFrame
from cameras.models import Camera, Kind
from cameras.models.states import SERVER_SET_BACK_MS, SWITCHED_OFF, PushClock
from project.database.errors import unavailability
from project.tasks import start

RETRY_S = 1.0
CLAIM_S = 1.5  # for the database's answer: a picture that waits for long is no longer live
MAX_REMEMBERED = 4096  # cameras


# Verdicts that are answered as problems: status and sentence.
PROBLEMS = {
    Verdict.SWITCHED_OFF: (409, SWITCHED_OFF),
    Verdict.BUSY: (503, "The server cannot take this frame just now; send it again."),
    Verdict.STARTING: (503, "The server is starting; send the frame again."),
    Verdict.NO_PROCESS: (503, "The server takes no pictures just now; send the frame again."),
}


async def accept_frame(camera_id: uuid.UUID, frame: PushedFrame) -> Verdict:
    """Claim a frame and hand it to ingest. The caller has checked the right to publish.

    If the caller is cancelled, a frame that is claimed already is still handed over: its timestamp
    is never used up for nothing.
    """
    return await _acceptor.accept(camera_id, frame)


@transaction.atomic
def claim_frames(frames: Sequence[tuple[uuid.UUID, int]]) -> list[Verdict]:
    """Claim frames, each a camera id and a timestamp in unix ms, in one transaction.

    Returns a verdict per frame, in the same order.
    """
    rows = Camera.objects.filter(pk__in={camera_id for camera_id, _ in frames})
    cameras = {camera.pk: camera for camera in rows.only("pk", "kind", "enabled")}
    verdicts = [Verdict.NO_CAMERA] * len(frames)
    for index in sorted(range(len(frames)), key=frames.__getitem__):  # one order: no deadlock
        camera_id, timestamp = frames[index]
        if camera_id in cameras:
            verdicts[index] = _claim_frame(cameras[camera_id], timestamp)
    return verdicts


def _claim_frame(camera: Camera, timestamp: int) -> Verdict:
    if camera.kind != Kind.PUSH:
        return Verdict.NOT_PUSH
    if not camera.enabled:
        return Verdict.SWITCHED_OFF
    return Verdict.ACCEPTED if PushClock.accept(camera.pk, timestamp) else Verdict.DUPLICATE


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A frame that waits for its verdict. The future is cancelled with the publisher."""

    camera_id: uuid.UUID
    frame: PushedFrame
    verdict: asyncio.Future[Verdict]
    at: float = field(default_factory=time.monotonic)

    def answer(self, verdict: Verdict) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)


async def _refuse(arrival: _Arrival) -> None:
    """Answer after a while: the publisher sends its next frame at once."""
    await asyncio.sleep(RETRY_S)
    arrival.answer(Verdict.BUSY)


class FrameAcceptor:
    """Accepts the frames of all publishers of this process, by sockets and `actions/send`.

    Frames that arrive during a transaction share the next one, so that many publishers do not each
    queue for the database thread. Bound: one frame per publisher, since each waits for its verdict.
    The tasks are its own: one that ended with a publisher would lose what others wait for.

    While the database cannot be used, the cameras that it knows go on: a frame is accepted if it is
    newer than the last one of its camera here. If two processes then accept frames of one camera,
    its worker drops those that are not newer. Bound: one timestamp for each of `MAX_REMEMBERED`
    cameras; the one that was silent for longest is forgotten.
    """

    def __init__(self) -> None:
        self._accepted: dict[uuid.UUID, int] = {}  # the newest timestamp accepted here, in unix ms
        self._late: asyncio.Task[list[Verdict]] | None = None  # a claim that is not waited for
        self._waiting: list[_Arrival] = []
        self._task: asyncio.Task[None] | None = None

    async def accept(self, camera_id: uuid.UUID, frame: PushedFrame) -> Verdict:
        """Claim one frame and hand it over.

        `BUSY` after `RETRY_S` if the database fails and had accepted no frame of the camera here.
        """
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Arrival(camera_id, frame, verdict))
        if self._task is None or self._task.done():
            self._task = start(self._run(), "claims")
        return await verdict

    async def _run(self) -> None:
        """Claim batch after batch, until none waits."""
        while self._waiting:
            batch = [arrival for arrival in self._waiting if not arrival.verdict.cancelled()]
            self._waiting = []
            frames = [(arrival.camera_id, arrival.frame.timestamp) for arrival in batch]
            verdicts = await self._claim(frames)
            if verdicts is None:
                verdicts = [self._judge(*frame) for frame in frames]
            for arrival, verdict in zip(batch, verdicts, strict=True):
                self._remember(arrival, verdict)
                if verdict is Verdict.ACCEPTED:  # not one after the other: Redis takes time
                    start(self._hand_over(arrival), "pushed frame")
                elif verdict is Verdict.BUSY:
                    start(_refuse(arrival), "refused frame")
                else:
                    arrival.answer(verdict)

    async def _claim(self, frames: Sequence[tuple[uuid.UUID, int]]) -> list[Verdict] | None:
        """The database's verdicts; None while it cannot be used or has a claim for `CLAIM_S`."""
        if self._late is not None:
            if not self._late.done():
                return None
            self._late = None
        claim: asyncio.Task[list[Verdict]]
        claim = start(database_sync_to_async(claim_frames)(frames), "claim of pushed frames")
        await asyncio.wait([claim], timeout=CLAIM_S)
        if not claim.done():
            self._late = claim
            return None
        if (error := claim.exception()) is not None:
            return None if unavailability(error) else [Verdict.BUSY] * len(frames)
        verdicts: list[Verdict] = claim.result()
        return verdicts

    def _judge(self, camera_id: uuid.UUID, timestamp: int) -> Verdict:
        """The verdict without the database."""
        last = self._accepted.get(camera_id)
        if last is None:
            return Verdict.BUSY
        is_newer = timestamp > last or timestamp + SERVER_SET_BACK_MS < last
        return Verdict.ACCEPTED if is_newer else Verdict.DUPLICATE

    def _remember(self, arrival: _Arrival, verdict: Verdict) -> None:
        """Note the timestamp of an accepted frame; forget a camera that takes none."""
        if verdict is Verdict.ACCEPTED:
            self._accepted.pop(arrival.camera_id, None)
            if len(self._accepted) == MAX_REMEMBERED:
                del self._accepted[next(iter(self._accepted))]
            self._accepted[arrival.camera_id] = arrival.frame.timestamp
        elif verdict in (Verdict.SWITCHED_OFF, Verdict.NOT_PUSH, Verdict.NO_CAMERA):
            self._accepted.pop(arrival.camera_id, None)

    async def _hand_over(self, arrival: _Arrival) -> None:
        """Send a claimed frame to ingest; if no process takes it, release the claim."""
        camera_id, frame = arrival.camera_id, arrival.frame
        verdict = Verdict.BUSY
        try:
            link = services.ingest_link()
            if link is None:
                verdict = Verdict.NO_PROCESS
            else:
                verdict = await link.push(str(camera_id), frame.timestamp, frame.jpeg, arrival.at)
            if verdict is not Verdict.ACCEPTED:
                if self._accepted.get(camera_id) == frame.timestamp:
                    self._accepted[camera_id] -= 1
                await database_sync_to_async(PushClock.release)(camera_id, frame.timestamp)
        finally:
            arrival.answer(verdict)


_acceptor = FrameAcceptor()
