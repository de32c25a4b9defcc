"""Hourly deletion of expired data of all apps. `manage.py prune` does the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cameras import retention as cameras
from chats import retention as chats
from project.accounts import retention as accounts
from project.audit import retention as audit
from project.database_threads import in_thread

log = logging.getLogger(__name__)

INTERVAL_S = 3600.0
# Label: function that deletes and returns how many. The order matters: tickets fall with their
# parent credential.
JOBS: dict[str, Callable[[], int]] = {
    "chats": chats.prune_chats,
    "logs of answers": chats.prune_logs,
    "audit entries": audit.prune,
    "old credentials": accounts.prune,
    "old keys, links and tickets": cameras.prune,
}

_thread = ThreadPoolExecutor(1, thread_name_prefix="housekeeping")


async def run() -> None:
    """Run all jobs now and then every hour, until cancelled. Failures are logged."""
    while True:
        for label, job in JOBS.items():
            try:
                await in_thread(_thread, job)
            except Exception:
                log.exception("%s could not be deleted", label)
        await asyncio.sleep(INTERVAL_S)
