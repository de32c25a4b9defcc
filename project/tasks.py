"""Background tasks: start, failure log, and cancellation that cannot get lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

log = logging.getLogger(__name__)

RETRY_S = 0.1
_running: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks only weakly


def start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run `work` in a task whose failure is logged.

    The task gets a new context: in that of a request it would lose its database thread when the
    request ends.
    """
    # Not `asyncio.create_task`: Twisted runs start-up functions before the loop runs.
    task = asyncio.get_event_loop().create_task(work, name=name, context=Context())
    _running.add(task)
    task.add_done_callback(_running.discard)
    task.add_done_callback(report)
    return task


def report(task: asyncio.Task[Any]) -> None:
    """Log the exception that ended a task. A done callback."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the task %s ended", task.get_name(), exc_info=error)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks, again and again, until all have ended. Their exceptions are ignored.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which redis-py uses to send, swallows
    a cancellation that arrives just as it finishes.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=RETRY_S)
    await asyncio.gather(*tasks, return_exceptions=True)
