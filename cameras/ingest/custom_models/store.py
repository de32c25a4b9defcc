"""Custom models on this host's disk, where workers read them without a database.

`FailureCount` counts how often each model failed; one that fails too often is disabled.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)

PAUSE_S = 30  # before what failed is tried again: it may be 64 MiB


class ModelStore:
    """A folder of ours alone; each file is named by the SHA-256 of what is in it.

    A reader compares the two and removes a file that is damaged or not complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._again: dict[str, float] = {}  # when what failed may be tried again

    def put(self, sha256: str, load: Callable[[], bytes]) -> Path | None:
        """Where the model is; `load` is asked for its bytes where it is not there yet.

        None where it cannot be stored, or the bytes are others; the log says so.
        """
        path = self._path(sha256)
        if path.exists():
            return path
        if time.monotonic() < self._again.get(sha256, 0):
            return None
        try:
            data = load()
            if hashlib.sha256(data).hexdigest() != sha256:
                raise OSError("it is not what was checked")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(data)
        except OSError as error:
            log.error("the model %s could not be stored: %s", sha256, error)
            self._again[sha256] = time.monotonic() + PAUSE_S
            _remove(path)
            return None
        return path

    def keep(self, names: Iterable[str]) -> None:
        """Throw away all but these."""
        names = set(names)
        self._again = {name: at for name, at in self._again.items() if name in names}
        kept = {self._path(name) for name in names}
        if self._folder.is_dir():
            for path in set(self._folder.iterdir()) - kept:
                _remove(path)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.onnx"


def _remove(path: Path) -> None:
    """Remove a file, if that is possible: cameras are read without their own models, too."""
    with contextlib.suppress(OSError):
        path.unlink()


MOST = 3
WITHIN_S = 600.0


class FailureCount:
    """The times of the last `MOST` failures of each model that failed, by its id."""

    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST))

    def note(self, model: str) -> bool:
        """One more; True where `MOST` came within `WITHIN_S`."""
        failures = self._failures[model]
        failures.append(time.monotonic())
        return len(failures) == MOST and failures[-1] - failures[0] <= WITHIN_S
