"""A camera's pictures sent to us over a WebSocket: in the seed's JSON, or `sideline.v1`.

Each message that is looked at gets one answer, a JSON text in both formats, that acknowledges it
and all before by its `seq`, or without one by its timestamp:

    {"ack": 7}                       published
    {"ack": 8, "duplicate": true}    not newer than what was accepted last
    {"type": "problem", "status": 400, "field": "frame", "detail": "…", "ack": 9}

A problem lacks `ack` where the message could not be read that far, and `field` but for 400. Any
answer holds `dropped` where so many messages were passed over since the last, for a newer one.
A camera that is switched off takes nothing (409), but its device may stay.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from cameras.live.admission import NOT_PUSH, Admission
from cameras.live.intake import Verdict, take
from cameras.live.jpeg import FrameError
from cameras.live.parcels import Envelope, open_seed, open_v1
from cameras.live.publishers import Publisher
from cameras.live.sockets import CameraSocket
from cameras.models.states import SWITCHED_OFF

log = logging.getLogger(__name__)

TOO_MUCH = "More was sent than 60 messages or MiB a second."
ENDS = {Verdict.GONE: (4404, ""), Verdict.NOT_PUSH: (4403, NOT_PUSH)}
PROBLEMS = {
    Verdict.SWITCHED_OFF: (409, SWITCHED_OFF),
    Verdict.NOBODY: (503, "No process is reading cameras just now; send the frame again."),
}


class PublishConsumer(CameraSocket):
    """One publisher of one camera. Its task looks at one message after the other."""

    publish = True
    publisher: Publisher | None = None

    def _begin(self, admission: Admission, name: str) -> None:
        self.camera_id = admission.camera.pk
        publisher = self.publisher = Publisher(self._wire)
        if self._wire is not None:
            self._wire.listen(self._hear)
        self.task = asyncio.create_task(self._take_all(publisher))

    def _end(self) -> None:
        if self.publisher is not None:
            self.publisher.leave()
            self.publisher = None
        super()._end()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a publisher sends, where there is no wire to hear it by."""
        self._hear((text_data or "").encode() or bytes_data or b"")

    def _hear(self, message: bytes) -> None:
        if self.publisher is not None and not self.publisher.hear(message):
            self._leave(4429, TOO_MUCH)

    async def _take_all(self, publisher: Publisher) -> None:
        try:
            while (answer := await self._taken(publisher, await publisher.next())) is not None:
                publisher.tell(answer)
                if self._wire is None:
                    await self._room()
                    if (message := publisher.take_answer()) is not None:
                        await self.send(text_data=message.payload.decode())
        except Exception:
            log.exception("what a publisher sent could not be taken")
            await self.close(1011)

    async def _taken(self, publisher: Publisher, message: bytes) -> dict[str, Any] | None:
        """Take what a message holds. The answer to it; None where that was the end."""
        envelope = Envelope({})
        try:
            envelope = (open_v1 if self._subprotocol() else open_seed)(message)
            parcel = envelope.parcel()
        except FrameError as error:
            if not publisher.blame():
                self._leave(4429, TOO_MUCH)
                return None
            return _problem(400, error.sentence, envelope.mark, field=error.field)
        verdict = await take(self.camera_id, parcel)
        if verdict in ENDS:
            self._leave(*ENDS[verdict])
            return None
        if verdict in PROBLEMS:
            return _problem(*PROBLEMS[verdict], envelope.mark)
        duplicate = {"duplicate": True} if verdict is Verdict.DUPLICATE else {}
        return {"ack": envelope.mark, **duplicate}


def _problem(status: int, detail: str, mark: int | None, **more: str) -> dict[str, Any]:
    ack = {} if mark is None else {"ack": mark}
    return {"type": "problem", "status": status, **more, "detail": detail, **ack}
