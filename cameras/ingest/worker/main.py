"""One camera's process: `python -m cameras.ingest.worker.main CAMERA FD`.

CAMERA is its id, so that a list of processes tells whose a process is. FD is an inherited end of a
Unix socket pair that speaks packets (`cameras.live.frames`). It is a process of its own because
native code that hangs or crashes can only be ended with its process. When the link closes, the
process ends.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = "40000000"  # read when cv2 is imported

import cv2

from cameras.ingest.isolation import limit_memory
from cameras.ingest.worker.capture import Capture
from cameras.ingest.worker.decoding import OVERDUE, overdue
from cameras.ingest.worker.encoder import Encoder
from cameras.ingest.worker.follower import DETECTIONS_PER_SECOND, Follower
from cameras.ingest.worker.freshness import State
from cameras.ingest.worker.link import WorkerLink
from cameras.ingest.worker.masks import Masks
from cameras.ingest.worker.push import Push
from cameras.ingest.worker.stream import Picture
from cameras.live.frames import Detection, Frame
from cameras.live.variants import NATIVE

IDLE_RATE = 1.0  # pictures a second where nobody looks: for stills
STILL_EVERY = 60.0
BEAT = 1.0
SWITCH = 0.0005  # seconds the detector's Python may make a picture's way out wait; 0.005 is usual
EX_STUCK = os.EX_TEMPFAIL  # exit status: start me again with attempt + 1
EX_BROKEN = os.EX_SOFTWARE  # a thread failed


class Worker:
    """Capture, detection, encoding and reporting of one camera, each in its own thread."""

    def __init__(self, link: WorkerLink, config: dict[str, Any]) -> None:
        self._link = link
        self._fps = float(config["fps"])
        self._renditions = Encoder(
            self._fps, config.get("width") or None, int(config.get("quality", 80))
        )
        self._detect = bool(config.get("detect"))
        self._seq = 0
        self._delivering = threading.Lock()
        self._published = 0
        self._latest: Picture | None = None
        self.camera: Capture | Push = (
            Push(Masks(config["masks"]))
            if config["kind"] == "push"
            else Capture(
                config["kind"],
                config["source"],
                media_root=Path(config["media_root"]),
                allow_loopback=bool(config["allow_loopback"]),
                listed=frozenset(config.get("listed", ())),
                masks=Masks(config["masks"]),
                attempt=int(config.get("attempt", 0)),
                waited=float(config.get("waited", 0)),
            )
        )
        self._follower = Follower(self.camera.slot, config, self._complain)
        self._set_rate()

    def start(self) -> None:
        """Start every thread."""
        self.camera.start()
        jobs = [self._publish, self._beat] + [self._follower.follow] * self._detect
        for job in jobs:
            threading.Thread(target=job, name=job.__name__, daemon=True).start()

    def receive(self, header: dict[str, Any], payload: bytes) -> None:
        """A packet from the supervisor. Unknown types are ignored."""
        if header["type"] == "wishes":
            new = self._renditions.wish([(int(width), int(fps)) for width, fps in header["rates"]])
            self._set_rate()
            self._show_again([*{*new, *header.get("new", ())}])
        elif header["type"] == "detector":
            self._follower.use(header["model"])
        elif header["type"] == "push" and isinstance(self.camera, Push):
            self.camera.take(int(header["timestamp"]), payload)

    def _set_rate(self) -> None:
        unwatched = min(self._fps, DETECTIONS_PER_SECOND if self._detect else IDLE_RATE)
        self.camera.rate = max(unwatched, self._renditions.rate)

    def _publish(self) -> None:
        """Each new picture: sent in the widths that are due, kept as a still now and then."""
        seen, next_still = 0, 0.0
        while True:
            picture = self.camera.slot.newest(seen, timeout=1.0)
            if picture is None:
                continue
            seen, self._latest = picture.timestamp, picture
            widths = self._renditions.due(int(time.monotonic() * 1000))
            keep = time.monotonic() >= next_still
            if keep and NATIVE not in widths:
                self._send_still(self._renditions.still(picture, None))
            for width, frame in self._deliver(picture, widths):
                if keep and width == NATIVE:
                    self._send_still(frame)
            if keep:
                next_still = time.monotonic() + STILL_EVERY

    def _show_again(self, widths: list[int]) -> None:
        """The newest picture to whoever has just come: a device may not send another for long."""
        picture = self.camera.slot.newest() if isinstance(self.camera, Push) else None
        if picture is not None and self.camera.health().state in ("live", "stale"):
            self._deliver(picture, widths)

    def _deliver(self, picture: Picture, widths: list[int]) -> list[tuple[int, Frame]]:
        """Send the picture in these widths. Returns what was sent."""
        with self._delivering:
            self._seq += bool(widths)
            sent = []
            for width, frame in self._renditions.of(picture, widths, self._objects(picture)):
                self._send(frame, width)
                sent.append((width, frame))
        return sent

    def _send(self, frame: Frame, width: int) -> None:
        variant = {} if width == NATIVE else {"variant": width}
        header = replace(frame, seq=self._seq).packet_header()
        self._link.picture({"type": "frame"} | header | variant, frame.jpeg)
        self._published += 1

    def _send_still(self, frame: Frame | None) -> None:
        if frame is not None:
            self._link.picture({"type": "still", "timestamp": frame.timestamp}, frame.jpeg)

    def _objects(self, picture: Picture) -> list[Detection] | None:
        return self._follower.tracker.at(picture.timestamp) if self._detect else None

    def _complain(self, model: str, failure: str) -> None:
        self._link.state({"type": "model", "model": model, "failure": failure})

    def _beat(self) -> None:
        """Report the state at every change and each second; end the process where it is stuck."""
        shown: State | None = None
        sent = 0.0
        while True:
            health = self.camera.health()
            if health.state != shown or time.monotonic() - sent >= BEAT:
                lost = health.state != shown and health.state in ("stale", "offline")
                shown, sent = health.state, time.monotonic()
                self._link.state(health.packet() | self._counts())
                if lost and self._latest is not None:
                    self._send_still(self._renditions.still(self._latest, None))
            stuck = self.camera.stuck() or (OVERDUE if overdue() else None)
            if stuck is not None:
                self._link.state(health.packet() | {"reason": stuck})
                self._link.flush(0.5)
                os._exit(EX_STUCK)
            time.sleep(0.1)

    def _counts(self) -> dict[str, int]:
        return {"published": self._published, "encodes": self._renditions.encodes}


def _give_up(failure: threading.ExceptHookArgs) -> NoReturn:
    traceback.print_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.stderr.flush()
    os._exit(EX_BROKEN)


def main(fd: int) -> NoReturn:
    """Serve the link until it closes. Never returns: threads may be stuck in native code."""
    limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.excepthook = _give_up
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH)
    link = WorkerLink(socket.socket(fileno=fd))
    worker: Worker | None = None
    for header, payload in link.packets():
        if worker is not None:
            worker.receive(header, payload)
        elif header["type"] == "config":
            worker = Worker(link, header)
            worker.start()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[-1]))
