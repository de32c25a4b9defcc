"""Tasks that run as long as the process, and the end of tasks that must end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

log = logging.getLogger(__name__)

AGAIN_S = 0.1
_running: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks only weakly


def start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run `work` in a task whose failure is logged.

    The task has a context of its own: with that of a request it would lose its database thread when
    the request ends.
    """
    # Not `asyncio.create_task`: Twisted calls what starts with the reactor before the loop runs.
    task = asyncio.get_event_loop().create_task(work, name=name, context=Context())
    _running.add(task)
    task.add_done_callback(_running.discard)
    task.add_done_callback(report)
    return task


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
