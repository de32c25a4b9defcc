"""Database access from the event loop, in threads of its own.

The thread that Django shares among a request's synchronous parts may be busy, and ends with it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync
from django.db import close_old_connections

from project.database.threads import in_thread

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="chats")
# The log is written, and read for all followers, in a thread each that nothing else delays.
LOG_THREAD = ThreadPoolExecutor(1, thread_name_prefix="log")
LOG_READER_THREAD = ThreadPoolExecutor(1, thread_name_prefix="log reader")


async def in_database_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a synchronous function that uses the database; return its result."""
    return await in_thread(_THREADS, call, *args, **kwargs)


def release_request_thread() -> None:
    """End the thread that ran this request's synchronous parts, and close its connection.

    A stream would keep it idle until it ends; later synchronous calls get a new thread. asgiref
    has no public function for this: `tests/chats/test_limits.py` counts threads.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    threads = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if threads is not None:
        threads.submit(close_old_connections)
        threads.shutdown(wait=False)
