"""Counts in fixed windows of time, in the cache: with Redis for all processes, else for each."""

from __future__ import annotations

import time

from django.core.cache import cache


def count_in_window(key: str, most: int, seconds: int) -> int:
    """Count one more in the current window of `seconds`.

    Return 0, or, if there are more than `most`, the seconds until the next window begins.
    """
    now = time.time()
    window = f"{key}-{int(now // seconds)}"
    cache.add(window, 0, seconds)
    try:
        if int(cache.incr(window)) <= most:
            return 0
    except ValueError:  # it has expired or was evicted meanwhile
        return 0
    return int(seconds - now % seconds) + 1
