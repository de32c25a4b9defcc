"""Custom models on this host's disk, where workers read them without a database.

`FailureCount` counts how often each model failed; one that fails too often is disabled.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIX, PART = ".onnx", ".part"
PAUSE_S = 30  # before what failed is tried again: it may be 64 MiB
LEFT_S = 600  # nobody writes for so long


class ModelStore:
    """A folder of ours alone; each file is named by the SHA-256 of what is in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._again: dict[str, float] = {}  # when what failed may be tried again

    def put(self, sha256: str, load: Callable[[], bytes]) -> Path | None:
        """Where the model is; `load` is asked for its bytes where it is not there yet.

        None where it cannot be stored, or the bytes are others; the log says so.
        """
        path = self._folder / (sha256 + SUFFIX)
        if path.exists():
            return path
        if time.monotonic() < self._again.get(sha256, 0):
            return None
        try:
            data = load()
            if hashlib.sha256(data).hexdigest() != sha256:
                log.error("the model %s is not what was checked; it is not used", sha256)
                self._pause(sha256)
                return None
            self._store(data, path)
        except OSError as error:
            log.error("the model %s could not be stored: %s", sha256, error)
            self._pause(sha256)
            return None
        return path

    def _pause(self, sha256: str) -> None:
        self._again[sha256] = time.monotonic() + PAUSE_S

    def _store(self, data: bytes, path: Path) -> None:
        """Whole or not at all."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=PART, dir=self._folder)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def keep(self, names: Iterable[str]) -> None:
        """Throw away all but these, and what processes that died have left half written."""
        names = set(names)
        self._again = {name: at for name, at in self._again.items() if name in names}
        kept = {name + SUFFIX for name in names}
        if not self._folder.exists():
            return
        for path in self._folder.iterdir():
            unused = path.suffix == SUFFIX and path.name not in kept
            if unused or (path.suffix == PART and _age_s(path) > LEFT_S):
                path.unlink(missing_ok=True)


def _age_s(path: Path) -> float:
    """Seconds since it was written to; none where it is gone by now."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


MOST = 3
WITHIN_S = 600.0


class FailureCount:
    """Failures of the last `WITHIN_S`, by the model's id; `MOST` of each are kept."""

    def __init__(self) -> None:
        self._failures: dict[str, list[float]] = defaultdict(list)

    def note(self, model: str) -> bool:
        """One more; True where that was too many."""
        now = time.monotonic()
        recent = [at for at in self._failures[model] if at > now - WITHIN_S]
        self._failures[model] = [*recent, now][-MOST:]
        for other in [one for one, times in self._failures.items() if times[-1] <= now - WITHIN_S]:
            del self._failures[other]
        return len(recent) + 1 >= MOST
