"""Twisted's side of an HTTP connection, with patience that ends.

Twisted's own time-out begins anew with every byte. There are no hooks for another, so its class is
subclassed; `tests/project/test_server.py` pins what that needs.
"""

from __future__ import annotations

from typing import Any

from twisted.web import http

from project.patience import Patience, too_many
from project.uploads import client_of

HTTPChannel: Any = http.HTTPChannel  # it has no types


class PatientChannel(HTTPChannel):  # type: ignore[misc]
    """One connection, and its requests one after the other."""

    patience: Patience

    def connectionMade(self) -> None:
        client = client_of(getattr(self.transport.getPeer(), "host", ""), [])
        self.patience = Patience(client, self.callLater, self.transport.abortConnection)
        self.patience.begin()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if not self._handlingRequest:
            self.patience.begin()
        super().dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        self.patience.is_whole()
        super().connectionLost(reason)


def is_taken(address: Any) -> bool:
    """Whether one more is taken of this peer. Proxies of ours send what they have."""
    return not too_many(client_of(getattr(address, "host", ""), []))
