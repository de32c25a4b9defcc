"""A Redis server for tests."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import redis

from tests.processes import killed_with_parent
from tests.waiting import free_port, until


class RedisServer:
    """`redis-server` on a free port of 127.0.0.1, without persistence. Owns the process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(
            killed_with_parent("redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                  "--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(self.answers, what="Redis")

    def answers(self) -> bool:
        """True if it answers a ping."""
        with redis.Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def freeze(self) -> None:
        """Let it hang: connections stay open and are not answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill the server. It saves nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
