"""A camera's pictures on a WebSocket: the seed's JSON, or `sideline.v1`."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qsl

from cameras.consumers.admission import Admission, Refused
from cameras.consumers.camera_socket import CameraSocket, RateLimit
from cameras.live import services
from cameras.live.formats import GuestViewer, SeedViewer, SocketViewer, V1Viewer
from cameras.live.frames import Status
from cameras.live.variants import UnknownValue, Variant

log = logging.getLogger(__name__)

MAX_INVALID = 100  # messages per second that are no acknowledgements


class StreamConsumer(CameraSocket):
    """One viewer of one camera.

    On our own server the viewer uses the connection's `SocketWriter` and needs no task. Elsewhere
    a task sends the viewer's messages through the server's `send`.
    """

    viewer: SocketViewer | None = None
    variant = Variant()

    def _read_query(self) -> None:
        query = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            self.variant = Variant.from_query(dict(query))
        except UnknownValue as error:
            raise Refused(error.sentence, 400, {error.field: [error.sentence]}) from None

    def _open(self, admission: Admission, name: str) -> None:
        v1_class = GuestViewer if admission.actor.user is None else V1Viewer
        viewer_class = v1_class if self._subprotocol() else SeedViewer
        variant, self.invalid = self.variant, RateLimit(MAX_INVALID, 1.0)
        viewer = self.viewer = services.hub().join(
            str(admission.camera.pk),
            lambda feed: viewer_class(feed, variant, name),
            variant.width,
            _stored_status(admission),
            admission.camera.mask_version,
        )
        viewer.on_failure = lambda: self._close_soon(1011)
        writer = self._writer
        if writer is None:
            self.task = asyncio.create_task(self._send_all(viewer))
        else:
            writer.set_message_handler(self._receive_message)
            writer.set_auto_read(viewer_class is SeedViewer)  # it sends nothing, so this is free
            viewer.attach(writer)

    async def _send_all(self, viewer: SocketViewer) -> None:
        """Send the viewer's messages through `send`, until cancelled."""
        try:
            while True:
                await viewer.wait()
                while True:
                    await self._wait_until_sent()
                    message = viewer.next_message()
                    if message is None:
                        break
                    if message.is_text:
                        await self.send(text_data=message.payload.decode())
                    else:
                        await self.send(bytes_data=message.payload)
        except OSError:
            return  # the client has gone; `disconnect` follows
        except Exception:
            log.exception("a viewer's stream failed")
            await self.close(1011)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Receive a message on a connection without a writer."""
        self._receive_message(text_data or bytes_data or "")

    def _receive_message(self, message: str | bytes) -> None:
        if self.viewer is None or self.viewer.receive(message):
            return
        if not self.invalid.spend(1):
            self._close_soon(4429)

    def _release(self) -> None:
        viewer, self.viewer = self.viewer, None
        try:
            if viewer is not None:
                viewer.leave()
        finally:
            super()._release()


def _stored_status(admission: Admission) -> Status:
    """The camera's state in the database."""
    state = admission.state
    last = state.last_frame_at
    return Status(
        state.state,
        int(state.since.timestamp() * 1000),
        state.reason,
        int(last.timestamp() * 1000) if last else None,
    )
