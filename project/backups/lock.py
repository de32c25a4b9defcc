"""A file lock on the data folder: shared by servers, exclusive for a restore.

It is released when its process ends. On PostgreSQL, a restore also counts connections, for servers
on other machines.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from django.conf import settings


class Occupied(Exception):
    """Another process holds the lock. The message says which."""


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Raises `Occupied` while a backup is being restored."""
    with _locked(fcntl.LOCK_SH, "A backup is being restored here; start again when it is done."):
        yield


@contextlib.contextmanager
def restoring() -> Iterator[None]:
    """Raises `Occupied` while a server runs here."""
    with _locked(fcntl.LOCK_EX, "Sideline is running on this data folder; stop it first."):
        yield


@contextlib.contextmanager
def _locked(how: int, refusal: str) -> Iterator[None]:
    with (settings.DATA_DIR / "serving.lock").open("w") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(refusal) from None
        yield
