"""The log's rows from the serving loop: a few threads of their own, apart from those of requests.

The thread that requests share may be busy for long, and ends with the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync
from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")

_threads = ThreadPoolExecutor(4, thread_name_prefix="chats")
_log_thread = ThreadPoolExecutor(1, thread_name_prefix="log")  # whoever reads may not hold it up


async def in_rows(ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The answer of a synchronous function that asks the database."""
    return await _in(_threads, partial(ask, *args, **kwargs))


async def in_log(ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The same, for those that write the log."""
    return await _in(_log_thread, partial(ask, *args, **kwargs))


async def _in(threads: Executor, ask: Callable[[], R]) -> R:
    def asked() -> R:
        close_old_connections()
        try:
            return ask()
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(threads, asked)


def let_thread_go() -> None:
    """End the thread that this request's synchronous parts ran in, with its connection.

    A stream would keep it, idle, for as long as it lasts; what comes later gets a new one. asgiref
    has no word for this: `tests/chats/test_limits.py` counts threads.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    threads = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if threads is not None:
        threads.submit(close_old_connections)
        threads.shutdown(wait=False)
