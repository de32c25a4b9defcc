"""A custom model's process as its parent sees it: started, used with timeouts, stopped."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.protocol import ModelFailed
from project.child_processes import bare_environment

COMMAND = ("-m", "cameras.ingest.custom_models.main")
ROOT = Path(__file__).resolve().parents[3]
GRACE_S = 2.0  # the process ends itself in time; this is for the case that it does not
_COUNT = struct.Struct("=I")
_TIME_OVER = (signal.SIGALRM, signal.SIGXCPU)


class ModelProcess:
    """One process that runs one model. Not thread-safe; whoever makes it closes it.

    `facts` is its answer to the `asked` terms. Raises `ModelFailed` where the model is refused or
    ends the process, and `OSError` where there was no process to be had.
    """

    def __init__(self, model: bytes, asked: dict[str, Any], seconds: float) -> None:
        self._link, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # nosec B603  # a list of our own words
                    [sys.executable, *COMMAND, str(theirs.fileno())],
                    cwd=ROOT,
                    pass_fds=(theirs.fileno(),),
                    env=bare_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # a stranger's model could fill the log
                    process_group=0,  # Ctrl-C is for the parent, which ends this one
                )
        except BaseException:
            self._link.close()
            raise
        try:
            self.facts = self._begin(model, asked, seconds)
            if "refused" in self.facts:
                raise ModelFailed(_line(self.facts["refused"]))
        except BaseException:
            self.close()
            raise

    def _begin(self, model: bytes, asked: dict[str, Any], seconds: float) -> dict[str, Any]:
        self._link.settimeout(seconds + GRACE_S)
        limits = {"bytes": len(model), "seconds": seconds, "each": protocol.ANSWER_S}
        try:
            protocol.send(self._link, asked | limits)
            self._link.sendall(model)
            return protocol.receive(self._link)
        except (OSError, EOFError, ValueError, RecursionError):
            raise self._lost() from None

    def candidates(self, picture: bytes) -> bytes:
        """What it finds in a picture: rows of `protocol.VALUES` float32, not yet to be trusted."""
        self._link.settimeout(protocol.ANSWER_S + GRACE_S)
        try:
            self._link.sendall(picture)
            found = _COUNT.unpack(protocol.exactly(self._link, _COUNT.size))[0]
            if found > protocol.BOXES:
                raise ValueError
            return bytes(protocol.exactly(self._link, found * protocol.VALUES * 4))
        except (OSError, EOFError, ValueError):
            raise self._lost() from None

    def _lost(self) -> ModelFailed:
        """Why the process said nothing sensible."""
        deadline = time.monotonic() + 1.0
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        status = self._process.returncode
        if status is None or -status in _TIME_OVER:
            return ModelFailed("It took longer than a detector may.")
        if -status == signal.SIGKILL:
            return ModelFailed("It was ended by the system, most likely for its use of memory.")
        if status < 0:
            name = signal.Signals(-status).name
            return ModelFailed(f"It crashed ({name}), perhaps for want of memory.")
        return ModelFailed("It failed on a picture.")

    def close(self) -> None:
        """End the process."""
        self._link.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)


def _line(text: object) -> str:
    return "".join(c if c.isprintable() else " " for c in str(text))[:300]
