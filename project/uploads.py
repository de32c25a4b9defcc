"""Places for bodies of more than 1 MiB, which are held in memory and on disk until they are whole.

Few at once, fewer for one client, and none for long: who is slow, or pauses, loses the place.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import Any

from cameras.peers import address_in
from project.doors import client_behind, is_proxy

AT_ONCE = 16
AT_ONCE_EACH = 3  # of one address, or of one /64 of IPv6
WHOLE_S = 20.0  # a body that takes longer gives its place to another
LOOK_S = 2.0
SLOWEST = 32 * 1024  # bytes per second; less is forgiven once, since we too may have been busy

_taken: Counter[str] = Counter()


class Place:
    """One of the places. `end` is called once where the body is too slow; then leave it, too."""

    def __init__(self, client: str, later: Callable[..., Any], end: Callable[[], None]) -> None:
        """Of `client`, or of a proxy of ours (""), which sends what it has whole."""
        self._client, self._later, self._end = client, later, end
        self._since, self._slow = 0, False
        _taken[client] += 1
        self._deadline = later(WHOLE_S, end)
        self._look = later(LOOK_S, self._look_again)

    def hear(self, size: int) -> None:
        """So many bytes have come."""
        self._since += size

    def leave(self) -> None:
        """Once, whatever has become of the body."""
        _taken[self._client] -= 1
        if not _taken[self._client]:
            del _taken[self._client]
        for call in (self._deadline, self._look):
            if call.active():
                call.cancel()

    def _look_again(self) -> None:
        slow = self._since < SLOWEST * LOOK_S
        if slow and self._slow:
            self._end()
            return
        self._since, self._slow = 0, slow
        self._look = self._later(LOOK_S, self._look_again)


def client_of(peer: str, forwarded: list[bytes]) -> str:
    """Whose body it is, as `TrustedProxies` would say: an address, or of IPv6 its /64.

    Empty for a proxy of ours that speaks for nobody, and on a local socket.
    """
    address = address_in((client_behind(forwarded) or "") if is_proxy(peer) else peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
    return "" if address is None else str(address)


def is_free(client: str) -> bool:
    return _taken.total() < AT_ONCE and (not client or _taken[client] < AT_ONCE_EACH)
