"""Synchronous database work for async code, in separate threads.

The thread that requests share may be busy for long, and ends with the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(
    threads: Executor, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call the function in one of these threads, with a live connection; return its result."""

    def call() -> R:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(threads, call)
