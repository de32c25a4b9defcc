"""The end of tasks, which is certain even where a library loses a cancellation."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)

AGAIN_S = 0.1


def report(task: asyncio.Task[Any]) -> None:
    """As a done callback: a fault that ended the task goes into the log."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.critical("the task %s ended", task.get_name(), exc_info=fault)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them until they have ended, whatever comes of it.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which redis-py sends with, swallows
    a cancellation that comes just when it is done.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
