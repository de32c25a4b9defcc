"""Hourly deletion of expired data of all apps. `manage.py prune` does the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cameras import retention as cameras
from chats import retention as chats
from project.accounts import retention as accounts
from project.audit import retention as audit
from project.database.postgresql.base import statement_limit
from project.database.threads import in_thread
from project.tasks import suppress_and_log

INTERVAL_S = 3600.0
STATEMENT_S = 600.0  # after months without a server there is much to delete
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
    """Run all jobs now and then every hour, until cancelled."""
    while True:
        await run_jobs()
        await asyncio.sleep(INTERVAL_S)


async def run_jobs() -> None:
    """Run all jobs, one after the other. Failures are logged."""
    for label, job in JOBS.items():
        with suppress_and_log("%s could not be deleted", label):
            await in_thread(_thread, _run_job, job)


def _run_job(job: Callable[[], int]) -> None:
    with statement_limit(STATEMENT_S):
        job()
