"""A camera's pictures on a WebSocket: the seed's JSON, or `sideline.v1`."""

from __future__ import annotations

import asyncio
import logging
import time
from urllib.parse import parse_qsl

from cameras.consumers.admission import Admission
from cameras.consumers.camera_socket import CameraSocket
from cameras.live import process
from cameras.live.formats import GuestViewer, SeedViewer, SocketViewer, V1Viewer
from cameras.live.frames import Status
from cameras.live.variants import Variant

log = logging.getLogger(__name__)

GUESTS = ("visit", "key")  # who brings one of these is no member that looks after the camera
MOST_NOISE = 100  # messages a second that mean nothing


class StreamConsumer(CameraSocket):
    """One viewer of one camera.

    On our own server the viewer is attached to the connection's wire and needs no task. Elsewhere
    the task sends what the viewer is to be told, and waits for the server's `send`.
    """

    viewer: SocketViewer | None = None
    noise, noisy_from = 0, 0.0

    def _begin(self, admission: Admission, name: str) -> None:
        v1 = GuestViewer if admission.grant.kind in GUESTS else V1Viewer
        kind = v1 if self._subprotocol() else SeedViewer
        variant = Variant.asked(dict(parse_qsl(self.scope["query_string"].decode("latin-1"))))
        viewer = self.viewer = process.hub().join(
            str(admission.camera.pk),
            lambda feed: kind(feed, variant, name),
            variant.width,
            _stored(admission),
            admission.camera.mark,
        )
        wire = self._wire
        if wire is None:
            self.task = asyncio.create_task(self._send_all(viewer))
        else:
            wire.listen(self._hear)
            wire.read_at_once(kind is SeedViewer)  # it has nothing to say: no event, no cost
            viewer.attach(wire)

    async def _send_all(self, viewer: SocketViewer) -> None:
        """What the wire does by itself, through `send`."""
        try:
            while True:
                await viewer.wait()
                while True:
                    await self._room()
                    message = viewer.next()
                    if message is None:
                        break
                    if message.is_text:
                        await self.send(text_data=message.payload.decode())
                    else:
                        await self.send(bytes_data=message.payload)
        except OSError:
            return  # it has gone, which servers say here, and then to `disconnect`
        except Exception:
            log.exception("the stream of a viewer broke")
            await self.close(1011)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a viewer says, where there is no wire to hear it by."""
        self._hear(text_data or bytes_data or "")

    def _hear(self, message: str | bytes) -> None:
        if self.viewer is None or self.viewer.hear(message):
            return
        now = time.monotonic()
        if now - self.noisy_from > 1:
            self.noisy_from, self.noise = now, 0
        self.noise += 1
        if self.noise == MOST_NOISE:
            self._leave(4429)

    def _end(self) -> None:
        if self.viewer is not None:
            self.viewer.leave()
            self.viewer = None
        super()._end()


def _stored(admission: Admission) -> Status:
    state = admission.state
    last = state.last_frame_at
    return Status(
        state.state,
        int(state.since.timestamp() * 1000),
        state.reason,
        int(last.timestamp() * 1000) if last else None,
    )
