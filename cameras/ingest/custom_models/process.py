"""A custom model's process as its parent sees it: started, used with time limits, stopped."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.protocol import ModelFailed
from project.child_processes import bare_environment

COMMAND = ("-m", "cameras.ingest.custom_models.main")
ROOT = Path(__file__).resolve().parents[3]


class ModelProcess:
    """One process that runs one model. Not thread-safe; whoever makes it closes it.

    `facts` is its answer to the request. Raises `ModelFailed` where the model is refused or ends
    the process, and `OSError` where there was no process to be had.
    """

    def __init__(self, model: bytes, request: dict[str, Any], seconds: float) -> None:
        self._link, theirs = Pipe()
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
        try:
            messages = (json.dumps(request).encode(), model)
            answer = self._exchange(*messages, seconds=seconds, most=protocol.MOST_JSON)
            self.facts = _read_facts(answer)
        except BaseException:
            self.close()
            raise

    def candidates(self, picture: bytes) -> bytes:
        """What it finds in a picture: whole candidates, not yet to be trusted."""
        most = protocol.BOXES * protocol.CANDIDATE_BYTES
        found = self._exchange(picture, seconds=protocol.ANSWER_S, most=most)
        if len(found) % protocol.CANDIDATE_BYTES:
            raise ModelFailed("It failed on a picture.")
        return found

    def _exchange(self, *messages: bytes, seconds: float, most: int) -> bytes:
        """Send messages and return the answer, at most `most` bytes. Kill the process if late."""
        deadline = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            for message in messages:
                self._link.send_bytes(message)
            return self._link.recv_bytes(most)
        except (OSError, EOFError):
            raise self._lost(is_late=time.monotonic() >= deadline) from None
        finally:
            timer.cancel()

    def _lost(self, *, is_late: bool) -> ModelFailed:
        """Why the process gave no answer."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        status = self._process.returncode
        if is_late or status is None:
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


def _read_facts(answer: bytes) -> dict[str, Any]:
    """Return the facts in an answer; raise `ModelFailed` for a refusal, or no sense."""
    try:
        facts: dict[str, Any] = json.loads(answer)
        refusal = facts.get("refused")
    except (AttributeError, ValueError, RecursionError):
        raise ModelFailed("It failed on a picture.") from None
    if refusal is not None:
        raise ModelFailed("".join(c if c.isprintable() else " " for c in str(refusal))[:300])
    return facts
