"""Re-examines open connections, and closes those that lost their right."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from channels.db import database_sync_to_async

from project.accounts.access import (
    ConnectionGrant,
    withdrawn,
)

log = logging.getLogger(__name__)

EVERY_S = 1.0


class ConnectionMonitor:
    """Re-examines every open connection each second; a credential once, however many hang on it.

    Bound: one entry per connection, removed by `forget`.
    """

    def __init__(self) -> None:
        self._held: dict[object, tuple[ConnectionGrant, Callable[[int], None]]] = {}

    def watch(self, holder: object, grant: ConnectionGrant, leave: Callable[[int], None]) -> None:
        """From now on `leave(code)` is called once if the grant no longer holds."""
        self._held[holder] = (grant, leave)

    def forget(self, holder: object) -> None:
        """The connection is over."""
        self._held.pop(holder, None)

    async def run(self) -> None:
        """For ever. A database that does not answer is logged; nobody is thrown out for it."""
        while True:
            await asyncio.sleep(EVERY_S)
            if not self._held:
                continue
            try:
                grants = {grant for grant, _ in self._held.values()}
                fallen = await database_sync_to_async(withdrawn)(grants)
            except Exception:
                log.exception("open connections could not be re-examined")
                continue
            for holder, (grant, leave) in list(self._held.items()):
                if grant in fallen:
                    self.forget(holder)
                    leave(fallen[grant])
