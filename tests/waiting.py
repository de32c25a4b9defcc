"""Waiting for conditions, and free ports for servers.

Each process of the suite locks blocks of ports until it ends, so no two processes get the same
port. The blocks are below the range of client ports.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_FIRST, _LAST, _BLOCK = 11_000, 32_000, 300
_locks: list[int] = []  # open descriptors


def _ports() -> Iterator[int]:
    """Yield ports of blocks that no other process has locked."""
    folder = Path(tempfile.gettempdir(), f"sideline-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    while True:
        for start in range(_FIRST, _LAST, _BLOCK):
            lock = os.open(folder / str(start), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            _locks.append(lock)
            yield from range(start, start + _BLOCK)
            break
        else:
            raise AssertionError("other runs hold all ports")


_next = _ports()


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1. Each port is returned once."""
    for port in _next:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # in use
            return port
    raise AssertionError("no port is free")


def accepts(port: int) -> bool:
    """True if a server accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], T], seconds: float = 30.0, what: object = "the condition") -> T:
    """Wait for a true result of `condition` and return it. Raises `AssertionError` after `seconds`.

    Polls less often with time, because polling keeps a server busy.
    """
    began = time.monotonic()
    while True:
        result = condition()
        if result:
            return result
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(min(0.1, 0.02 + waited / 20))


async def until_async(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until `condition` is true, without blocking the loop. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
