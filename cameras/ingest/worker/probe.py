"""The process behind `sources/probe.py`: it opens a source once.

`python -m cameras.ingest.worker.probe` reads the source as JSON from standard input and writes the
result as JSON to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.explanations import explain
from cameras.ingest.sources.opening import open_egress, resolve
from cameras.ingest.sources.probe import Probe
from cameras.ingest.worker.opencv import open_capture, too_large
from project.child_processes import limit_memory


def probe(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str],
    deadline: float,
) -> Probe:
    """What `test_connection` returns, found in this process.

    Until `deadline` (monotonic); native code may exceed it.
    """
    rule: dict[str, Any] = {"allow_loopback": allow_loopback, "listed": listed}
    where = rule | {"media_root": media_root, "egress": open_egress(kind, **rule)}
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
    limit_memory()
    asked = json.load(sys.stdin)
    asked |= {"media_root": Path(asked["media_root"]), "listed": frozenset(asked["listed"])}
    print(json.dumps(asdict(probe(**asked))), flush=True)
