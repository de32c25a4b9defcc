"""The process behind `sources/probe.py`: it captures a source until its first picture.

`python -m cameras.ingest.worker.probe` reads the source as JSON from standard input and writes the
result as JSON to standard output.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from base64 import b64encode
from dataclasses import asdict
from typing import Any

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = "40000000"  # read when cv2 is imported

from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.probe import SHOWN_WIDTH, Probe
from cameras.ingest.worker.capture import Capture, Lost
from cameras.ingest.worker.encoder import encode_picture
from cameras.ingest.worker.freshness import Freshness
from cameras.ingest.worker.picture import Picture, Slot
from cameras.ingest.worker.source import Source
from project.child_processes import limit_memory

QUALITY = 80


def probe(source: Source, deadline: float) -> Probe:
    """What `test_connection` returns, found in this process until `deadline` (monotonic).

    Native code may exceed it.
    """
    slot, freshness, stop = Slot(), Freshness(), threading.Event()
    capture = Capture(source, slot=slot, freshness=freshness, stop=stop)
    capture.pace.fps = 100.0
    failures: list[str] = []

    def run() -> None:
        try:
            capture.run()
        except (Lost, SourceError) as error:
            failures.append(str(error))

    running = threading.Thread(target=run, daemon=True)
    running.start()
    threading.Thread(target=capture.watchdog.run, args=(stop,), daemon=True).start()
    while running.is_alive() and time.monotonic() < deadline:
        picture = slot.newest(timeout=min(0.05, max(0.0, deadline - time.monotonic())))
        if picture is not None:
            return _connected(picture)
    picture = slot.newest()
    if picture is not None:
        return _connected(picture)
    if failures:
        return Probe(False, failures[0])
    # Not a failure: the camera is there and sends, and live it will be waited for.
    waiting = freshness.health().reason
    return Probe(bool(waiting), waiting or capture.watchdog.expected)


def _connected(picture: Picture) -> Probe:
    frame = encode_picture(picture, SHOWN_WIDTH, QUALITY, None)
    size = picture.width, picture.height
    return Probe(True, f"Connected: {size[0]}×{size[1]}.", *size, frame.jpeg if frame else b"")


def main() -> None:
    """Answer the question on standard input."""
    limit_memory()
    asked: dict[str, Any] = json.load(sys.stdin)
    outcome = asdict(probe(Source.from_config(asked), asked["deadline"]))
    print(json.dumps(outcome | {"jpeg": b64encode(outcome["jpeg"]).decode()}), flush=True)
    os._exit(0)  # threads may be in native code


if __name__ == "__main__":
    main()
