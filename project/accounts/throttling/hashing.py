"""Argon2id password hashing with a bound on concurrent hashes, each of which fills a core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections

AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
WAITING_MOST = 64
WAIT_S = 20.0


class TooBusy(Exception):
    """Too many passwords wait to be hashed; this one was not checked."""


class Argon2(Argon2PasswordHasher):
    """Argon2id in 46 MiB and two passes, twice the minimum that OWASP names.

    Bounds: `AT_ONCE` hashes of a process at a time, so that a flood of sign-ins leaves cores to
    other requests; `WAITING_MOST` more wait, at most `WAIT_S`; the rest raise `TooBusy`. Each
    request has its own thread, so waiting blocks no other request. While waiting, the database
    connection is returned, since PostgreSQL's pool is small. One hash takes 0.08 s of one
    core (`timeit` of `Argon2().encode("a", "b" * 22)` in `manage.py shell`).
    """

    time_cost = 2
    memory_cost = 46 * 1024
    parallelism = 1

    _running = BoundedSemaphore(AT_ONCE)
    _admitted = BoundedSemaphore(AT_ONCE + WAITING_MOST)

    def encode(self, password: str, salt: str) -> str:
        with self._turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with self._turn():
            return super().verify(password, encoded)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise TooBusy
        try:
            if not self._running.acquire(blocking=False):
                _close_connections()
                if not self._running.acquire(timeout=WAIT_S):
                    raise TooBusy
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._admitted.release()


def _close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        held: Any = connection
        if not held.in_atomic_block:
            held.close()
