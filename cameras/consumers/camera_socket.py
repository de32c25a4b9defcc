"""The base of both consumers: authorization, subprotocol, view log and withdrawal of access."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from cameras.consumers.admission import Admission, Closed, Refused, admit
from cameras.live import services
from cameras.models import Ticket
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.opening_limits import TooManyOpenings
from project.audit.recent_views import claim_connection
from project.audit.requesters import Requester
from project.audit.view_log import ServerIsStopping, ViewNotRecorded
from project.database.health import health
from project.problems import refuse_handshake
from project.tasks import suppress_and_log

log = logging.getLogger(__name__)

V1 = "sideline.v1"
ADMISSION_S = 10.0  # less than the server's limit on a handshake
POLL_S = 0.02  # interval at which unsent bytes of a connection are polled


class RateLimit:
    """A token bucket: `rate` messages per second, and at most `burst_s` seconds of credit."""

    def __init__(self, rate: float, burst_s: float) -> None:
        self._rate, self._most = rate, rate * burst_s
        self._credit = self._most
        self._updated_at = time.monotonic()

    def spend(self, messages: float) -> bool:
        """Use credit for `messages`. False if the limit is exceeded."""
        now = time.monotonic()
        credit = self._credit + (now - self._updated_at) * self._rate
        self._credit, self._updated_at = min(credit, self._most) - messages, now
        return self._credit >= 0


class CameraSocket(AsyncWebsocketConsumer):
    """A connection about one camera, re-examined every second. May own one task."""

    channel_layer_alias = ""  # frames come from the hub: no channel of its own in the layer
    is_publisher = False
    view: View | None = None  # that is open in the view log
    ticket = ""  # the id of the ticket that opened it

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Release everything also when a handler raises: then Channels skips `disconnect`."""
        self.task: asyncio.Task[None] | None = None
        try:
            await super().__call__(scope, receive, send)
        finally:
            services.connection_monitor().forget(self)
            self._release_safely()
            await self._release_ticket()

    async def connect(self) -> None:
        name: str = self.scope["url_route"]["kwargs"]["camera"]
        try:
            self._read_query()  # first: a wrong value must not use up a ticket
            async with asyncio.timeout(ADMISSION_S):
                admission, view = await database_sync_to_async(self._admit)(name)
                if admission.grant.credential.kind == "ticket":
                    self.ticket = admission.grant.credential.id
                # Recorded before it is accepted: a device sends at once, so nothing may wait then.
                await services.view_log().begin(view)
                self.view = view
        except Refused as refusal:
            log.info("socket refused: %s", refusal.detail)
            errors = {"errors": refusal.errors} if refusal.errors else {}
            await refuse_handshake(
                self.scope, self.base_send, refusal.status, refusal.detail, **errors
            )
            return
        except Closed as closed:
            return await self._accept_and_close(closed.code, closed.reason)
        except TooManyOpenings as refusal:
            return await self._accept_and_close(4429, str(refusal))
        except ServerIsStopping:
            return await self._accept_and_close(1001)
        except Exception as error:
            # Not a refusal, which would look like a right that was withdrawn.
            _report(error)
            return await self._accept_and_close(1011)
        await self.accept(self._subprotocol())
        self._open(admission, name)
        services.connection_monitor().watch(self, admission.grant, self._close_soon)

    async def _accept_and_close(self, code: int, reason: str = "") -> None:
        """Close before any data; the code only exists after an accept."""
        await self.accept(self._subprotocol())
        await self.close(code, reason)

    def _admit(self, name: str) -> tuple[Admission, View]:
        """Raises `Refused`, `Closed` and `TooManyOpenings`."""
        admission = admit(self.scope, name, publish=self.is_publisher)
        requester = Requester.of(self.scope, admission.actor)
        action = Action.PUBLISH if self.is_publisher else Action.WATCH
        return admission, claim_connection(requester, admission.camera, action)

    async def _release_ticket(self) -> None:
        """Give back the place that the ticket holds; if that fails, it ends by itself."""
        if self.ticket:
            try:
                await database_sync_to_async(Ticket.release)(self.ticket)
            except DatabaseError as error:
                log.warning("a used ticket could not be deleted: %s", error)

    def _subprotocol(self) -> str | None:
        """Return `V1` if the client offered it; else None.

        Read from the raw header: Daphne's list is unquoted, Autobahn's is not.
        """
        offered = [
            each.strip()
            for name, value in self.scope["headers"]
            if name.lower() == b"sec-websocket-protocol"
            for each in value.split(b",")
        ]
        return V1 if V1.encode() in offered else None

    @property
    def _writer(self) -> Any:
        """The connection's `SocketWriter`; None under TLS and on other servers."""
        return self.scope.get("extensions", {}).get("sideline.writer")

    async def _wait_until_sent(self) -> None:
        """Wait until the connection has no unsent bytes; for connections without a writer.

        On other servers `send` itself waits; Daphne under TLS is polled.
        """
        waiting = self.scope.get("extensions", {}).get("sideline.waiting")
        while waiting is not None and waiting():
            await asyncio.sleep(POLL_S)

    def _read_query(self) -> None:
        """Read the URL's parameters. Raises `Refused` (400) for values that are not allowed."""

    def _open(self, admission: Admission, name: str) -> None:
        """Start to send or receive; `name` is the camera's name in the URL."""
        raise NotImplementedError

    def _release(self) -> None:
        """Stop sending and receiving. Idempotent."""
        view, self.view = self.view, None
        if view is not None:
            services.view_log().end(view)
        if self.task is not None:
            self.task.cancel()

    def _release_safely(self) -> None:
        """Release everything; what cannot be released keeps nothing else open."""
        with suppress_and_log("a connection could not be released"):
            self._release()

    def _close_soon(self, code: int, reason: str = "") -> None:
        """Stop at once, and close the connection in a task."""
        self._release_safely()
        self.task = asyncio.create_task(self.close(code, reason))


class NoSuchSocket(AsyncWebsocketConsumer):
    """Refuses connections to unknown paths, for which the router would raise."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        await refuse_handshake(self.scope, self.base_send, 404, "There is no such WebSocket.")


def _report(error: Exception) -> None:
    """Report why a socket with a possibly valid credential could not be admitted."""
    health.count_refusal()
    if isinstance(error, TimeoutError):
        health.report_reason(f"a WebSocket was not admitted within {ADMISSION_S:.0f} s")
    elif isinstance(error, ViewNotRecorded):
        log.error("a WebSocket was closed, as its view could not be recorded: %s", error)
    else:
        log.exception("a WebSocket could not be admitted")
