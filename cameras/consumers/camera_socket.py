"""What the socket doors share: who gets in, in which format, and who must leave again."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from cameras.consumers.admission import Admission, Closed, Refused, admit
from cameras.live import process
from project.audit.askers import Asker
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.view_log import NotRecorded

log = logging.getLogger(__name__)

V1 = "sideline.v1"
ASK_S = 0.02  # how often a connection is asked whether it has taken what it was given


class CameraSocket(AsyncWebsocketConsumer):
    """A connection about one camera, re-examined every second. May own one task."""

    channel_layer_alias = ""  # frames come from the hub: no channel of its own in the layer
    publish = False  # whether it is there to send pictures, or to watch
    view: View | None = None  # in the logbook

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Channels skips `disconnect` when a handler raises; all is given up all the same."""
        self.task: asyncio.Task[None] | None = None
        try:
            await super().__call__(scope, receive, send)
        finally:
            process.connection_monitor().forget(self)
            self._end()

    async def connect(self) -> None:
        name: str = self.scope["url_route"]["kwargs"]["camera"]
        try:
            admission = await database_sync_to_async(admit)(self.scope, name, publish=self.publish)
        except Refused as refusal:
            log.info("socket refused: %s", refusal)
            await self.close()
            return
        except Closed as closed:
            await self.accept(self._subprotocol())
            await self.close(closed.code, closed.reason)
            return
        # On record before it is open: what a device sends at once must find a listener.
        recorded = await self._is_on_record(admission)
        await self.accept(self._subprotocol())
        if not recorded:
            await self.close(1011)
            return
        self._begin(admission, name)
        process.connection_monitor().watch(self, admission.grant, self._leave)

    async def _is_on_record(self, admission: Admission) -> bool:
        """Nobody gets a picture who is not in the logbook."""
        asker = Asker.of(self.scope, admission.actor)
        action = Action.PUBLISH if self.publish else Action.WATCH
        try:
            self.view = await process.view_log().begin(asker, admission.camera, action)
        except NotRecorded as error:
            log.error("a socket was not opened: %s", error)
            return False
        return True

    def _subprotocol(self) -> str | None:
        """As it was offered, to the letter: Daphne's list is unquoted, Autobahn's is not."""
        offered = [
            each.strip()
            for name, value in self.scope["headers"]
            if name.lower() == b"sec-websocket-protocol"
            for each in value.split(b",")
        ]
        return V1 if V1.encode() in offered else None

    @property
    def _wire(self) -> Any:
        """The connection's writable end; None but on our own server."""
        return self.scope.get("extensions", {}).get("sideline.wire")

    async def _room(self) -> None:
        """Until the peer has read what it was sent, where there is no wire to wait for it.

        Other servers let `send` wait; Daphne, under TLS, is asked.
        """
        waiting = self.scope.get("extensions", {}).get("sideline.waiting")
        while waiting is not None and waiting():
            await asyncio.sleep(ASK_S)

    def _begin(self, admission: Admission, name: str) -> None:
        """The connection is open; `name` is the camera as the URL calls it."""
        raise NotImplementedError

    def _end(self) -> None:
        """It is over: hear and say nothing more."""
        if self.view is not None:
            process.view_log().end(self.view)
        if self.task is not None:
            self.task.cancel()

    def _leave(self, code: int, reason: str = "") -> None:
        """Close it."""
        self._end()
        self.task = asyncio.create_task(self.close(code, reason))


class NoSuchSocket(AsyncWebsocketConsumer):
    """Refuses what is addressed to no consumer; without it the router raises."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        await self.close()
