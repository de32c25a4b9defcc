"""The connection test: opens a source in a separate process, which is killed at the timeout.

The source is passed by standard input, because command lines are public on the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cameras.ingest.sources.addresses import SourceError, check
from project.child_processes import bare_environment

ROOT = Path(__file__).resolve().parents[3]
SHOWN_WIDTH = 640  # pixels of the picture that is returned
RESERVE = 0.4  # seconds of the time-out for ending the process


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome: a plain sentence, and the first picture's size (0 × 0 without one).

    `jpeg` is that picture, masked, at most `SHOWN_WIDTH` pixels wide. It is `ok` without a picture
    where the camera sends, but no keyframe came in the time.
    """

    ok: bool
    sentence: str
    width: int = 0
    height: int = 0
    jpeg: bytes = b""


def test_connection(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str] = frozenset(),  # noqa: PT028
    aspect: str = "auto",  # noqa: PT028
    masks: Sequence[Any] = (),  # noqa: PT028
    timeout: float = 10.0,  # noqa: PT028
) -> Probe:
    """Capture the source until its first picture, and say how it went, in `timeout` seconds.

    `aspect` is as in `worker.capture.Source`. `masks` are the camera's polygons; the picture leaves
    its process with them painted over.
    """
    try:
        check(kind, source, media_root=media_root, allow_loopback=allow_loopback, listed=listed)
    except SourceError as error:
        return Probe(False, error.sentence)
    if kind == "push":
        return Probe(True, "Frames will be sent to this camera; there is nothing to connect to.")
    question = {
        "kind": kind,
        "source": source,
        "media_root": str(media_root),
        "allow_loopback": allow_loopback,
        "listed": sorted(listed),
        "aspect": aspect,
        "masks": list(masks),
        # By the machine's clock, so that a slow start of the process counts too.
        "deadline": time.monotonic() + timeout - RESERVE,
    }
    try:
        answer = subprocess.run(  # nosec B603  # a list, and what people give goes through stdin
            [sys.executable, "-m", "cameras.ingest.worker.probe"],
            input=json.dumps(question).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            env=bare_environment(),
            cwd=ROOT,
            check=True,
        )
        told = json.loads(answer.stdout)
        return Probe(**told | {"jpeg": b64decode(told["jpeg"])})
    except subprocess.TimeoutExpired:
        return Probe(False, f"The camera gave no picture within {timeout:g} seconds.")
    except (subprocess.CalledProcessError, ValueError, TypeError, KeyError):
        return Probe(False, "The camera's video could not be read: its decoder failed.")


test_connection.__test__ = False  # type: ignore[attr-defined]  # pytest: not a test
