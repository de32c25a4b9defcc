"""A camera's pictures sent to us over a WebSocket: in the seed's JSON, or `sideline.v1`.

Each message that is looked at gets one answer, a JSON text in both formats, that acknowledges it
and all before. What a publisher sent last waits in one slot, newest wins.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from cameras.consumers.admission import NOT_PUSH, Admission
from cameras.consumers.camera_socket import CameraSocket
from cameras.live.formats import Message, Wire, text_message
from cameras.live.incoming import Envelope, Verdict, open_seed, open_v1, take
from cameras.live.jpeg import FrameError
from cameras.models.states import SWITCHED_OFF

RATE = 60.0  # messages a second for ever; a large one counts once more for each MiB
BURST_S = 5.0  # what the network held back may come at once
MIB = 1024 * 1024


class RateLimit:
    """How much a publisher may send: `RATE`, and what it saved up in `BURST_S`."""

    def __init__(self) -> None:
        self._left = RATE * BURST_S
        self._looked_at = time.monotonic()

    def spend(self, messages: float) -> bool:
        """False where more was sent than is allowed."""
        now = time.monotonic()
        saved = self._left + (now - self._looked_at) * RATE
        self._left, self._looked_at = min(saved, RATE * BURST_S) - messages, now
        return self._left >= 0


class Publisher:
    """Who sends a camera's pictures. On a wire it is answered without waiting.

    Bound: the newest message that was not looked at, and the newest answer that was not taken;
    newest wins. Messages that nobody looked at are counted, and told with the next answer.
    """

    def __init__(self, wire: Wire | None = None) -> None:
        self._wire = wire
        self._rate_limit = RateLimit()
        self._message: bytes | None = None
        self._news = asyncio.Event()
        self._answer: dict[str, Any] | None = None
        self._dropped = 0

    def hear(self, message: bytes) -> bool:
        """Put into the slot, over one that was not looked at. False where it sends too much."""
        self._dropped += self._message is not None
        self._message = message
        self._news.set()
        return self._rate_limit.spend(1 + len(message) / MIB)

    def blame(self) -> bool:
        """What it sent is nonsense, which counts twice. False where it sends too much."""
        return self._rate_limit.spend(1)

    async def next(self) -> bytes:
        """The newest message, once."""
        while self._message is None:
            self._news.clear()
            await self._news.wait()
        message, self._message = self._message, None
        return message

    def tell(self, answer: dict[str, Any]) -> None:
        """Put into the slot of answers; an acknowledgement is one of all before, too."""
        self._answer = answer
        self._speak()

    def take_answer(self) -> Message | None:
        """The newest answer not yet taken, with `dropped` where messages were dropped."""
        answer, self._answer = self._answer, None
        if answer is None:
            return None
        dropped, self._dropped = self._dropped, 0
        return text_message(answer | ({"dropped": dropped} if dropped else {}))

    def leave(self) -> None:
        """Say nothing more."""
        self._wire = self._answer = None

    def _speak(self) -> None:
        wire = self._wire
        if wire is None:
            return
        if not wire.ready:
            wire.call_when_ready(self._speak)
        elif (message := self.take_answer()) is not None:
            wire.write(message.framed)


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
            frame = envelope.frame()
        except FrameError as error:
            if not publisher.blame():
                self._leave(4429, TOO_MUCH)
                return None
            return _problem(400, error.sentence, envelope.mark, field=error.field)
        verdict = await take(self.camera_id, frame)
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
