"""A camera's pictures on a WebSocket: the seed's JSON, or `sideline.v1`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from cameras.live import process
from cameras.live.admission import Admission, Closed, Refused, admit
from cameras.live.frames import Frame, dump, seed_message, v1_message
from cameras.live.hub import Status, Viewer

log = logging.getLogger(__name__)

V1 = "sideline.v1"
CREDITS = 2  # frames that a `sideline.v1` viewer may leave unacknowledged
ACK_LENGTH = 64  # longer texts are no acknowledgement and are not looked at
MOST_HEARD = 200  # messages a second; a viewer acknowledges at most 30 frames
POLL_S = 0.02  # how often a full socket is asked again


class StreamConsumer(AsyncWebsocketConsumer):
    """One viewer of one camera. Owns the task that writes to it."""

    channel_layer_alias = ""  # frames come from the hub: no channel of its own in the layer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Channels skips `disconnect` when a handler raises; the slot is given up all the same."""
        self.viewer: Viewer | None = None
        self.task: asyncio.Task[None] | None = None
        try:
            await super().__call__(scope, receive, send)
        finally:
            process.watchman().dismiss(self)
            if self.viewer is not None:
                self.viewer.leave()
            if self.task is not None:
                self.task.cancel()

    async def connect(self) -> None:
        self.name: str = self.scope["url_route"]["kwargs"]["camera"]
        self.heard, self.counted_from = 0, 0.0
        self.unacknowledged: list[int] = []
        try:
            admission = await database_sync_to_async(admit)(self.scope, self.name)
        except Refused as refusal:
            log.info("stream refused: %s", refusal)
            await self.close()
            return
        except Closed as closed:
            await self.accept(self._subprotocol())
            await self.close(closed.code)
            return
        await self.accept(self._subprotocol())
        self.viewer = process.hub().join(str(admission.camera.pk), _stored(admission))
        self.task = asyncio.create_task(self._write(self.viewer, str(admission.camera.pk)))
        process.watchman().post(self, admission.grant, self._leave)

    def _subprotocol(self) -> str | None:
        return V1 if V1 in self.scope["subprotocols"] else None

    def _leave(self, code: int) -> None:
        if self.task is not None:
            self.task.cancel()
        self.task = asyncio.create_task(self.close(code))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Acknowledgements give credit back; anything else a viewer says is ignored."""
        now = time.monotonic()
        if now - self.counted_from > 1:
            self.counted_from, self.heard = now, 0
        self.heard += 1
        if self.heard > MOST_HEARD:
            if self.heard == MOST_HEARD + 1:
                await self.close(4429)
            return
        if not text_data or len(text_data) > ACK_LENGTH:
            return
        try:
            seq = json.loads(text_data)["ack"]
        except (ValueError, TypeError, KeyError):
            return
        while self.unacknowledged and seq in self.unacknowledged:
            self.unacknowledged.pop(0)
        if self.viewer is not None:
            self.viewer.wake()

    async def _write(self, viewer: Viewer, camera_id: str) -> None:
        try:
            if self._subprotocol():
                await self._write_v1(viewer)
            else:
                await self._write_seed(viewer)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("camera %s: a viewer's stream broke", camera_id)
            await self.close(1011)

    async def _write_seed(self, viewer: Viewer) -> None:
        while True:
            await self._room()
            frame = await viewer.next_frame()
            await self.send(text_data=seed_message(frame, self.name))

    async def _write_v1(self, viewer: Viewer) -> None:
        told = 0
        while True:
            await viewer.wait()
            if (status := viewer.take_status()) is not None:
                await self._tell(status)
            if len(self.unacknowledged) >= CREDITS:
                continue
            await self._room()
            if (frame := viewer.take_frame()) is not None:
                if viewer.dropped > told:
                    await self._tell_dropped(viewer.dropped - told)
                    told = viewer.dropped
                await self._send_v1(frame)

    async def _send_v1(self, frame: Frame) -> None:
        self.unacknowledged.append(frame.seq)
        age_ms = frame.age_ms(int(time.time() * 1000))
        await self.send(bytes_data=v1_message(frame, self.name, age_ms))

    async def _tell(self, status: Status) -> None:
        await self.send(text_data=dump(status.wire()).decode())

    async def _tell_dropped(self, frames: int) -> None:
        await self.send(text_data=dump({"type": "dropped", "frames": frames}).decode())

    async def _room(self) -> None:
        """Wait until the socket has taken what it was given; frames go by meanwhile."""
        pending: Any = self.scope.get("extensions", {}).get("sideline.pending")
        while pending is not None and pending():
            await asyncio.sleep(POLL_S)


def _stored(admission: Admission) -> Status:
    state = admission.state
    last = state.last_frame_at
    return Status(
        state.state,
        int(state.since.timestamp() * 1000),
        state.reason,
        int(last.timestamp() * 1000) if last else None,
    )


class NoSuchSocket(AsyncWebsocketConsumer):
    """Refuses what is addressed to no consumer; without it the router raises."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        await self.close()
