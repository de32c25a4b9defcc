"""Waiting for conditions, and free ports for servers.

Each process of the suite locks blocks of ports for itself, so two processes never get the same
one; the lock ends with the process. The blocks lie below the range of client ports.
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
_held: list[int] = []  # descriptors of the locks


def _ports() -> Iterator[int]:
    """Ports of blocks that no other process holds."""
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
            _held.append(lock)
            yield from range(start, start + _BLOCK)
            break
        else:
            raise AssertionError("other runs hold all ports")


_next = _ports()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that is given to nobody else."""
    for port in _next:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody else's
            return port
    raise AssertionError("no port is free")


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], T], seconds: float = 30.0, what: object = "the condition") -> T:
    """The first true answer of `condition`. Raises `AssertionError` after `seconds`.

    It asks less often the longer it waits, since asking keeps a server busy."""
    began = time.monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(min(0.1, 0.02 + waited / 20))


async def soon(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Let the loop go on until `condition` is true. Raises `TimeoutError` after the seconds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
