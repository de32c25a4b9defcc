"""The process of the embedded model, as its parent sees it. Blocking; for a thread."""

from __future__ import annotations

import json
import secrets
import select
import subprocess
import sys
import time
from pathlib import Path

from cameras.ingest.isolation import bare_environment
from chats.providers.base import ProviderError

COMMAND = ("-m", "chats.providers.llama")
READY_S = 30.0
END_S = 1.5
_ROOT = Path(__file__).resolve().parents[2]


class Child:
    """A llama.cpp server that answers on `port` of 127.0.0.1 to whoever knows `key`."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        """Start it, without waiting. Raises `OSError`."""
        self.key = secrets.token_urlsafe(32)
        self.port = 0
        self._process = subprocess.Popen(  # nosec B603  # a list of our own words
            [sys.executable, *command],
            cwd=_ROOT,
            env=bare_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the parent, which ends this one
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def await_port(self) -> None:
        """Hand over the key and wait for the port. Raises `ProviderError`; it has ended then."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        line = b""
        deadline = time.monotonic() + READY_S
        try:
            stdin.write(self.key.encode() + b"\n")
            stdin.flush()
            if select.select([stdout], [], [], deadline - time.monotonic())[0]:
                line = stdout.readline(200)
            self.port = int(json.loads(line)["port"])
        except (OSError, ValueError, KeyError, TypeError):
            self.end()
            raise ProviderError(
                "The built-in model could not be started. The server's log says why."
            ) from None

    def end(self) -> None:
        """End it: at once as a rule, by force where that is not enough."""
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
