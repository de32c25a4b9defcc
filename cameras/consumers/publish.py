"""Pictures pushed over a WebSocket, in the seed's JSON or `sideline.v1`.

Each message that is processed gets one answer, JSON text in both formats, which acknowledges it
and all before it. The newest message waits in one slot; newest wins.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from cameras.consumers.admission import NOT_PUSH, Admission
from cameras.consumers.camera_socket import CameraSocket, RateLimit
from cameras.live.demand import Verdict
from cameras.live.formats import Message, MessageWriter, text_message
from cameras.live.frame_acceptor import PROBLEMS, accept_frame
from cameras.live.incoming import Envelope, parse_seed, parse_v1
from cameras.live.jpeg import FrameError

RATE = 60.0  # messages per second; a message costs one more for each MiB
BURST_S = 5.0  # seconds of credit, as the network may deliver late messages at once
MIB = 1024 * 1024


class Publisher:
    """The two slots of one publisher: a message in, an answer out. With a writer, answers are
    written without waiting.

    Bound: the newest unprocessed message and the newest unsent answer; newest wins. Dropped
    messages are counted, and reported with the next answer.
    """

    def __init__(self, writer: MessageWriter | None = None) -> None:
        self._writer = writer
        self._rate_limit = RateLimit(RATE, BURST_S)
        self._message: bytes | None = None
        self._news = asyncio.Event()
        self._answer: dict[str, Any] | None = None
        self._dropped = 0

    def offer_message(self, message: bytes) -> bool:
        """Keep a received message in its slot. False if the publisher exceeds its rate."""
        self._dropped += self._message is not None
        self._message = message
        self._news.set()
        return self._rate_limit.spend(1 + len(message) / MIB)

    def penalize(self) -> bool:
        """Count an invalid message once more. False if the publisher exceeds its rate."""
        return self._rate_limit.spend(1)

    async def next_message(self) -> bytes:
        """Wait for a message and take it."""
        while self._message is None:
            self._news.clear()
            await self._news.wait()
        message, self._message = self._message, None
        return message

    def offer_answer(self, answer: dict[str, Any]) -> None:
        """Send an answer, or keep it in its slot. It covers earlier answers that were not sent."""
        self._answer = answer
        self._write_answer()

    def take_answer(self) -> Message | None:
        """Return the unsent answer, with `dropped` if messages were dropped; None without one."""
        answer, self._answer = self._answer, None
        if answer is None:
            return None
        dropped, self._dropped = self._dropped, 0
        return text_message(answer | ({"dropped": dropped} if dropped else {}))

    def close(self) -> None:
        """Send no more answers."""
        self._writer = self._answer = None

    def _write_answer(self) -> None:
        writer = self._writer
        if writer is None:
            return
        if not writer.is_ready:
            writer.call_when_ready(self._write_answer)
        elif (message := self.take_answer()) is not None:
            writer.write(message.framed)


log = logging.getLogger(__name__)

TOO_MUCH = "More was sent than 60 messages or MiB a second."
CLOSE_CODES = {Verdict.NO_CAMERA: (4404, ""), Verdict.NOT_PUSH: (4403, NOT_PUSH)}


class PublishConsumer(CameraSocket):
    """One publisher of one camera. Its task processes one message after the other."""

    is_publisher = True
    publisher: Publisher | None = None

    def _open(self, admission: Admission, name: str) -> None:
        self.camera_id = admission.camera.pk
        publisher = self.publisher = Publisher(self._writer)
        if self._writer is not None:
            self._writer.set_message_handler(self._receive_message)
        self.task = asyncio.create_task(self._process_all(publisher))

    def _release(self) -> None:
        publisher, self.publisher = self.publisher, None
        try:
            if publisher is not None:
                publisher.close()
        finally:
            super()._release()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Receive a message on a connection without a writer."""
        self._receive_message((text_data or "").encode() or bytes_data or b"")

    def _receive_message(self, message: bytes) -> None:
        if self.publisher is not None and not self.publisher.offer_message(message):
            self._close_soon(4429, TOO_MUCH)

    async def _process_all(self, publisher: Publisher) -> None:
        try:
            while True:
                answer = await self._process(publisher, await publisher.next_message())
                if answer is None:
                    return
                publisher.offer_answer(answer)
                if self._writer is None:
                    await self._wait_until_sent()
                    if (message := publisher.take_answer()) is not None:
                        await self.send(text_data=message.payload.decode())
        except Exception:
            log.exception("a publisher's message could not be processed")
            await self.close(1011)

    async def _process(self, publisher: Publisher, message: bytes) -> dict[str, Any] | None:
        """Accept a message's frame and return the answer; None if the connection was closed."""
        envelope = Envelope({})
        try:
            envelope = (parse_v1 if self._subprotocol() else parse_seed)(message)
            frame = envelope.validate()
        except FrameError as error:
            if not publisher.penalize():
                self._close_soon(4429, TOO_MUCH)
                return None
            return _problem(400, error.sentence, envelope.ack, field=error.field)
        verdict = await accept_frame(self.camera_id, frame)
        if verdict in CLOSE_CODES:
            self._close_soon(*CLOSE_CODES[verdict])
            return None
        if verdict in PROBLEMS:
            return _problem(*PROBLEMS[verdict], envelope.ack)
        duplicate = {"duplicate": True} if verdict is Verdict.DUPLICATE else {}
        return {"ack": envelope.ack, **duplicate}


def _problem(status: int, detail: str, ack: int | None, **more: str) -> dict[str, Any]:
    """An answer that reports an error; `ack` names the message, if it has a number."""
    acknowledged = {} if ack is None else {"ack": ack}
    return {"type": "problem", "status": status, **more, "detail": detail, **acknowledged}
