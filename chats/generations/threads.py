"""The log's rows from the serving loop: a few threads of their own, apart from those of requests.

The thread that requests share may be busy for long, and ends with the request.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync
from django.db import close_old_connections

from project.database_threads import in_thread

P = ParamSpec("P")
R = TypeVar("R")

_threads = ThreadPoolExecutor(4, thread_name_prefix="chats")
_log_thread = ThreadPoolExecutor(1, thread_name_prefix="log")  # whoever reads may not hold it up


async def in_rows(ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The answer of a synchronous function that asks the database."""
    return await in_thread(_threads, ask, *args, **kwargs)


async def in_log(ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The same, for those that write the log."""
    return await in_thread(_log_thread, ask, *args, **kwargs)


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
