"""What a viewer on a WebSocket is told next, in each format. Django-free."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cameras.live.messages import Message, PreparedFrame, words
from cameras.live.status import Status
from cameras.live.variants import Variant
from cameras.live.viewers import SocketViewer

if TYPE_CHECKING:
    from cameras.live.feeds import Feed

CREDITS = 2  # frames that a `sideline.v1` viewer may leave unacknowledged
ACK_LENGTH = 64  # longer messages are no acknowledgement and are not looked at
_ACK = re.compile(rb'\{"ack": ?([0-9]{1,18})\}')


class SeedViewer(SocketViewer):
    """Gets the seed's JSON, which knows no status and has no word for stale."""

    __slots__ = ()
    kind = "seed"
    says_age = False

    def next(self) -> Message | None:
        self._status = None
        if self._prepared is not None and not self._prepared.is_fresh:
            self.forget()  # it waited too long, or came before the viewer did
        prepared = self._take()
        return None if prepared is None else prepared.seed(self.name)

    def tell(self, status: Status) -> None:
        """Nothing."""

    def _goes_out(self, prepared: PreparedFrame) -> bool:
        wire = self._wire
        return wire is not None and wire.write(prepared.seed(self.name).framed)


class V1Viewer(SocketViewer):
    """Speaks `sideline.v1`: status first, then what was missed, then the newest frame on credit."""

    __slots__ = ("_asking", "_told", "_unacknowledged")
    kind = "v1"
    on_credit = True

    def __init__(self, feed: Feed, variant: Variant, name: str) -> None:
        super().__init__(feed, variant, name)
        self._unacknowledged: list[int] = []
        self._told = 0  # of `missed`
        self._asking = False

    def next(self) -> Message | None:
        if (status := self.take_status()) is not None:
            return words(status.wire())
        if self._prepared is None or not self._has_credit():
            return None
        if self.missed > self._told:
            unsaid, self._told = self.missed - self._told, self.missed
            return words({"type": "dropped", "frames": unsaid})
        prepared = self._take()
        assert prepared is not None
        self._unacknowledged.append(prepared.frame.seq)
        return prepared.v1(self.name)

    def _goes_out(self, prepared: PreparedFrame) -> bool:
        wire = self._wire
        if wire is None or self._status is not None or self.missed > self._told:
            return False
        if not self._has_credit() or not wire.write(prepared.v1(self.name).framed):
            return False
        self._unacknowledged.append(prepared.frame.seq)
        return True

    def _has_credit(self) -> bool:
        """Without credit, what the viewer says is handed on as it comes from now on."""
        self._ask()
        has = len(self._unacknowledged) < CREDITS
        if not has and self._wire is not None:
            self._wire.read_at_once(True)
        return has

    def collect(self) -> None:
        self._ask()
        if self._prepared is not None and len(self._unacknowledged) < CREDITS:
            self.wake()

    def _ask(self) -> None:
        """On a wire, acknowledgements are read when they are needed: that is many at once."""
        wire = self._wire
        if wire is not None and len(self._unacknowledged) >= CREDITS:
            self._asking = True
            wire.read_now()
            self._asking = False
            if len(self._unacknowledged) < CREDITS:
                wire.read_at_once(False)

    def hear(self, message: str | bytes) -> bool:
        """An acknowledgement gives credit back, for all frames up to that one."""
        if len(message) > ACK_LENGTH:
            return False
        seq = _acknowledged(message)
        if seq not in self._unacknowledged:
            return False
        del self._unacknowledged[: self._unacknowledged.index(seq) + 1]
        if not self._asking:
            self.wake()
        return True


class GuestViewer(V1Viewer):
    """Who has opened a share link or brings a stream key: told how the camera does, but not why,
    nor how many watch.

    Reasons are for those who look after it: they may name an address.
    """

    __slots__ = ()

    def take_status(self) -> Status | None:
        status = super().take_status()
        return None if status is None else replace(status, reason="", viewers=None)


def _acknowledged(message: str | bytes) -> object:
    """What `{"ack": seq}` acknowledges; None for anything else. The usual spelling is read fast."""
    if isinstance(message, bytes) and (usual := _ACK.fullmatch(message)):
        return int(usual[1])
    try:
        return json.loads(message)["ack"]
    except (ValueError, TypeError, KeyError):
        return None
