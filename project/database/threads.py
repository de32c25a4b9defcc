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
    executor: Executor, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Return `call(*args, **kwargs)`, run in the executor with a usable database connection."""

    def run() -> R:
        close_old_connections()
        try:
            return call(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(executor, run)
