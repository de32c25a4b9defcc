"""Background tasks: started, supervised, and cancelled for certain. Without Django.

What runs as long as the process is given to `supervise`, which calls it again when it fails.
`start` is for work that ends by itself. Processes of cameras have their own supervisor, in
`cameras.ingest`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

CANCEL_S = 0.1  # between attempts to cancel
PAUSE_S, MAX_PAUSE_S = 0.1, 30.0  # the pause before a restart doubles
URGENT_S = 1.0  # the longest pause of tasks that pictures, answers or rights wait for
HEALTHY_S = 10.0  # after a run of this length the pause is short again
REPEAT_S = 10.0  # a sentence of `suppress_and_log` is logged once in this time
MAX_SENTENCES = 1000

LongTask = Callable[[], Coroutine[Any, Any, None]]

restarts: Counter[str] = Counter()  # since the process began, by name of the task or child process
_running: set[asyncio.Task[Any]] = set()  # the event loop itself holds tasks only weakly
_logged_at: dict[str, float] = {}  # by sentence; emptied at `MAX_SENTENCES`


def start(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
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


def supervise(
    run: LongTask, name: str, about: str = "", *, max_pause_s: float = MAX_PAUSE_S
) -> asyncio.Task[None]:
    """Call `run` in a task, and again whenever it raises or returns, until the task is cancelled.

    That is logged and counted in `restarts`. The pause before doubles up to `max_pause_s`. `name`
    is the label in the metrics, one of few; `about` says in the log which task of that name it is.
    """
    restarts[name] += 0  # a rate needs the value before the first restart
    return start(_keep_running(run, name, max_pause_s), f"{name} {about}".rstrip())


async def supervise_all(runs: Mapping[str, LongTask], *, max_pause_s: float = MAX_PAUSE_S) -> None:
    """Supervise several tasks, by name, until cancelled."""
    tasks = [supervise(run, name, max_pause_s=max_pause_s) for name, run in runs.items()]
    try:
        await asyncio.wait(tasks)
    finally:
        await end(*tasks)


async def _keep_running(run: LongTask, name: str, max_pause_s: float) -> None:
    task = asyncio.current_task()
    assert task is not None
    pause = PAUSE_S
    while True:
        began = time.monotonic()
        error: BaseException | None = None
        try:
            await run()
        except asyncio.CancelledError as cancelled:  # the task, or something that it awaited
            error = cancelled
        except Exception as failure:
            error = failure
        if task.cancelling():
            if isinstance(error, Exception):
                log.error("the task %s failed at its end", task.get_name(), exc_info=error)
            raise asyncio.CancelledError
        if time.monotonic() - began > HEALTHY_S:
            pause = PAUSE_S
        restarts[name] += 1
        log.error(
            "the task %s %s; starting it again in %.1f s",
            task.get_name(), "ended" if error is None else "failed", pause, exc_info=error,
        )  # fmt: skip
        await asyncio.sleep(pause)
        pause = min(2 * pause, max_pause_s)


@contextmanager
def suppress_and_log(sentence: str, *arguments: object) -> Iterator[None]:
    """Log an exception of the block with this sentence, and go on.

    So that one item of a loop does not end the loop for the others. The same sentence is logged
    once in `REPEAT_S`.
    """
    try:
        yield
    except Exception:
        text, now = sentence % arguments, time.monotonic()
        if now - _logged_at.get(text, float("-inf")) > REPEAT_S:
            if len(_logged_at) >= MAX_SENTENCES:
                _logged_at.clear()
            _logged_at[text] = now
            log.exception("%s", text)


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
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_S)
    await asyncio.gather(*tasks, return_exceptions=True)
