"""Close open connections whose grant is revoked, and renew the credentials of the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from project.accounts.access import ConnectionGrant, revoked_grants
from project.accounts.credentials import renew_credentials
from project.database.errors import unavailability
from project.tasks import suppress_and_log

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
RENEWAL_S = 8.0  # several times within the life of a ticket


class ConnectionMonitor:
    """Checks the grants of all open connections each second; equal grants are checked once.

    Bound: one entry per connection, removed by `forget`.
    """

    def __init__(self) -> None:
        self._watched: dict[object, tuple[ConnectionGrant, Callable[[int], None]]] = {}
        self._renewed_at = time.monotonic()

    def watch(
        self, connection: object, grant: ConnectionGrant, close: Callable[[int], None]
    ) -> None:
        """Call `close(code)`, once, when the grant is revoked."""
        self._watched[connection] = (grant, close)

    def forget(self, connection: object) -> None:
        """Stop watching a connection. Idempotent."""
        self._watched.pop(connection, None)

    async def run(self) -> None:
        """Run until cancelled. If the database fails, log it and close nothing."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            if not self._watched:
                continue
            try:
                grants = {grant for grant, _ in self._watched.values()}
                revoked = await database_sync_to_async(revoked_grants)(grants)
            except DatabaseError as error:
                if unavailability(error) is None:
                    raise
                log.error("cannot check the grants of open connections: %s", error)
                continue
            for connection, (grant, close) in list(self._watched.items()):
                if grant in revoked:
                    self.forget(connection)
                    with suppress_and_log("a connection whose right ended could not be closed"):
                        close(revoked[grant])
            await self._renew(grants - revoked.keys())

    async def _renew(self, grants: Collection[ConnectionGrant]) -> None:
        """Renew the credentials if it is time. A failure, as on a full disk, closes nothing."""
        if time.monotonic() - self._renewed_at < RENEWAL_S:
            return
        self._renewed_at = time.monotonic()
        try:
            await database_sync_to_async(renew_credentials)({one.credential for one in grants})
        except DatabaseError as error:
            if unavailability(error) is None:
                raise
            log.error("cannot renew the credentials of open connections: %s", error)
