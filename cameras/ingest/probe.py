"""Does a source give a picture? Asked in a process of its own, which is killed at the time-out.

The source goes in by standard input: command lines are public on the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cameras.ingest.isolation import bare_environment, bound_memory
from cameras.ingest.sources import SourceError, check

ROOT = Path(__file__).resolve().parent.parent.parent
RESERVE = 0.4  # seconds of the time-out for ending the process


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome: a plain sentence, and the picture's size (0 × 0 without one)."""

    ok: bool
    sentence: str
    width: int = 0
    height: int = 0


def test_connection(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str] = frozenset(),  # noqa: PT028
    timeout: float = 5.0,  # noqa: PT028
) -> Probe:
    """Open the source, read one picture, and say how it went, within `timeout` seconds."""
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
        # By the machine's clock, so that a slow start of the process counts too.
        "deadline": time.monotonic() + timeout - RESERVE,
    }
    try:
        answer = subprocess.run(  # nosec B603  # a list, and what people give goes through stdin
            [sys.executable, "-m", "cameras.ingest.probe"],
            input=json.dumps(question).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            env=bare_environment(),
            cwd=ROOT,
            check=True,
        )
        return Probe(**json.loads(answer.stdout))
    except subprocess.TimeoutExpired:
        return Probe(False, f"The camera gave no picture within {timeout:g} seconds.")
    except (subprocess.CalledProcessError, ValueError, TypeError):
        return Probe(False, "The camera's video could not be read: its decoder failed.")


test_connection.__test__ = False  # type: ignore[attr-defined]  # pytest: not a test


def probe(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str],
    deadline: float,
) -> Probe:
    """The same in this process, until `deadline` (monotonic); native code may exceed it."""
    # Only the child pays for OpenCV; the web server imports this module too.
    import cv2

    from cameras.ingest.addresses import gate_for, resolve
    from cameras.ingest.decoding import too_large
    from cameras.ingest.diagnosis import explain
    from cameras.ingest.opening import open_capture

    rule: dict[str, Any] = {"allow_loopback": allow_loopback, "listed": listed}
    where = rule | {"media_root": media_root, "gate": gate_for(kind, **rule)}
    try:
        opening = resolve(kind, source, **where)
    except SourceError as error:
        return Probe(False, error.sentence)
    capture = open_capture(opening, max(0.5, deadline - time.monotonic()))
    whole, image = capture.grab(), None
    announced = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if sentence := too_large(*announced):  # before the pixels are made
        return Probe(False, sentence)
    if whole:
        whole, image = capture.retrieve()
    if whole and image is not None:
        height, width = image.shape[:2]
        return Probe(True, f"Connected: {width}×{height}.", width, height)
    return Probe(False, explain(kind, source, **where))


if __name__ == "__main__":
    bound_memory()
    asked = json.load(sys.stdin)
    asked |= {"media_root": Path(asked["media_root"]), "listed": frozenset(asked["listed"])}
    print(json.dumps(asdict(probe(**asked))), flush=True)
