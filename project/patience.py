"""How long a connection may take to say what it wants, and how many of one peer's may be at it.

A request that comes by drops costs a descriptor, and the process has only so many of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

HEAD_S = 10.0  # from the connection, or from a later request's first byte
BODY_S = 20.0  # a body of up to 1 MiB; larger ones have places, and their times: see uploads.py
AT_ONCE_EACH = 256  # a school has one address, and browsers connect before they ask

_owing: Counter[str] = Counter()


class Patience:
    """With one connection, which owes a request from its start until it has sent one."""

    def __init__(self, client: str, later: Callable[..., Any], end: Callable[[], None]) -> None:
        """Of `client`, or of a proxy of ours (""). `end` is called where it took too long."""
        self._client, self._later, self._end = client, later, end
        self._deadline: Any = None
        self._owes = False

    def begin(self) -> None:
        """Something is to come, or has begun to: again and again, if need be."""
        if not self._owes:
            self._owes = True
            _owing[self._client] += 1
            self._wait(HEAD_S)

    def has_head(self) -> None:
        self._wait(BODY_S)

    def wait(self) -> None:
        """Somebody else looks after the rest of the request."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def is_whole(self) -> None:
        """The request is there, or the connection is gone."""
        self.wait()
        if self._owes:
            self._owes = False
            _owing[self._client] -= 1
            if not _owing[self._client]:
                del _owing[self._client]

    def _wait(self, seconds: float) -> None:
        self.wait()
        self._deadline = self._later(seconds, self._end)


def too_many(client: str) -> bool:
    """Whether its connections that owe a request are as many as one may have."""
    return bool(client) and _owing[client] >= AT_ONCE_EACH
