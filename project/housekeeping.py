"""One hourly prune of all apps: what is kept no longer goes. `manage.py prune` does the same."""

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

EVERY_S = 3600.0
# What is removed, in words, and by whom. In this order: a ticket falls with its parent.
JOBS: dict[str, Callable[[], int]] = {
    "chats": chats.prune_chats,
    "logs of answers": chats.prune_logs,
    "audit entries": audit.prune,
    "old credentials": accounts.prune,
    "old keys, links and tickets": cameras.prune,
}

_thread = ThreadPoolExecutor(1, thread_name_prefix="housekeeping")


async def run() -> None:
    """For ever, first at the start. A job that fails is logged, and due again in an hour."""
    while True:
        for what, job in JOBS.items():
            try:
                await in_thread(_thread, job)
            except Exception:
                log.exception("%s could not be removed", what)
        await asyncio.sleep(EVERY_S)
