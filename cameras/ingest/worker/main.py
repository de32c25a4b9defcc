"""One camera's process: `python -m cameras.ingest.worker.main CAMERA FD`.

CAMERA is its id, which makes the process recognizable in process lists. FD is an inherited end of a
Unix socket pair that carries packets (`cameras.live.packets`). Each camera has its own process
because native code that hangs or crashes can only be ended with its process. The process ends when
the link closes.
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
from typing import Any, NoReturn

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = "40000000"  # read when cv2 is imported

import cv2

from cameras.ingest.links import WorkerLink
from cameras.ingest.worker.decoding import OVERDUE, overdue
from cameras.ingest.worker.encoder import Encoder
from cameras.ingest.worker.follower import DETECTIONS_PER_SECOND, Follower
from cameras.ingest.worker.freshness import State
from cameras.ingest.worker.masks import Masks
from cameras.ingest.worker.picture import Picture
from cameras.ingest.worker.push import Push
from cameras.ingest.worker.reconnect import ReconnectingCapture
from cameras.ingest.worker.source import Source
from cameras.live.ages import Ages
from cameras.live.frames import Detection, Frame
from cameras.live.variants import NATIVE
from project.child_processes import limit_memory

IDLE_RATE = 1.0  # pictures per second without viewers, for stills
STILL_INTERVAL_S = 60.0
HEARTBEAT_S = 1.0
# Python's thread switch interval, default 0.005: how long the detector may delay a frame.
SWITCH_INTERVAL_S = 0.0005
EX_STUCK = os.EX_TEMPFAIL  # exit status: the supervisor restarts the worker with attempt + 1
EX_BROKEN = os.EX_SOFTWARE  # a thread failed


class Worker:
    """Captures, detects, encodes and reports for one camera, each in its own thread."""

    def __init__(self, link: WorkerLink, config: dict[str, Any]) -> None:
        self._link = link
        self._fps = float(config["fps"])
        self._encoder = Encoder(
            self._fps, config.get("width") or None, int(config.get("quality", 80))
        )
        self._detect = bool(config.get("detect"))
        self._seq = 0
        self._delivered = (0, 0)  # order of the picture with that number
        self._ages = Ages()
        self._delivering = threading.Lock()
        self._published = 0
        self._latest: Picture | None = None
        self.camera: ReconnectingCapture | Push = (
            Push(Masks(config["masks"]))
            if config["kind"] == "push"
            else ReconnectingCapture(
                Source.from_config(config),
                attempt=int(config.get("attempt", 0)),
                waited=float(config.get("waited", 0)),
            )
        )
        self._follower = Follower(self.camera.slot, config, self._report_model_failure)
        self._set_rate()

    def start(self) -> None:
        """Start every thread."""
        self.camera.start()
        loops = [self._publish, self._report] + [self._follower.run] * self._detect
        for loop in loops:
            threading.Thread(target=loop, name=loop.__name__, daemon=True).start()

    def receive(self, header: dict[str, Any], payload: bytes) -> None:
        """Handle a packet from the supervisor; ignore unknown types."""
        if header["type"] == "demand":
            new = self._encoder.set_rates(
                [(int(width), int(fps)) for width, fps in header["rates"]]
            )
            self._set_rate()
            self._resend_newest([*{*new, *header.get("new", ())}])
        elif header["type"] == "detector":
            self._follower.set_model(header["model"])
        elif header["type"] == "push" and isinstance(self.camera, Push):
            captured_at = self._ages.captured_at(header)
            self.camera.take(int(header["timestamp"]), payload, captured_at)

    def _set_rate(self) -> None:
        without_viewers = min(self._fps, DETECTIONS_PER_SECOND if self._detect else IDLE_RATE)
        self.camera.rate = max(without_viewers, self._encoder.rate)

    def _publish(self) -> None:
        """Send each new picture in the widths that are due, and now and then as a still."""
        next_still = 0.0
        while True:
            picture = self.camera.slot.newest(self._latest, timeout=1.0)
            if picture is None:
                continue
            self._latest = picture
            widths = self._encoder.due_widths(int(time.monotonic() * 1000))
            still_due = time.monotonic() >= next_still
            if still_due and NATIVE not in widths:
                self._send_still(self._encoder.encode_still(picture, None))
            for width, frame in self._deliver(picture, widths):
                if still_due and width == NATIVE:
                    self._send_still(frame)
            if still_due:
                next_still = time.monotonic() + STILL_INTERVAL_S

    def _resend_newest(self, widths: list[int]) -> None:
        """Send the newest picture to new viewers where the next one may take long."""
        slow = isinstance(self.camera, Push) or self.camera.interval > 0
        picture = self.camera.slot.newest() if slow else None
        if picture is not None and self.camera.health().state in ("live", "stale"):
            self._deliver(picture, widths)

    def _deliver(self, picture: Picture, widths: list[int]) -> list[tuple[int, Frame]]:
        """Send the picture in these widths; return each width with its frame.

        A picture that is sent again keeps its number; one older than the last is not sent.
        """
        sent: list[tuple[int, Frame]] = []
        with self._delivering:
            if not widths or picture.order < self._delivered:
                return sent
            self._seq += picture.order > self._delivered
            self._delivered = picture.order
            for width, frame in self._encoder.encode(picture, widths, self._objects(picture)):
                self._send(frame, width)
                sent.append((width, frame))
        return sent

    def _send(self, frame: Frame, width: int) -> None:
        variant = {} if width == NATIVE else {"variant": width}
        header = replace(frame, seq=self._seq).header()
        interval = self.camera.interval
        slow = {"interval": interval} if interval else {}
        packet = {"type": "frame"} | header | variant | slow
        self._link.send_picture(packet, frame.jpeg, frame.captured_at)
        self._published += 1

    def _send_still(self, frame: Frame | None) -> None:
        if frame is not None:
            header = {"type": "still", "timestamp": frame.timestamp}
            self._link.send_picture(header, frame.jpeg, frame.captured_at)

    def _objects(self, picture: Picture) -> list[Detection] | None:
        return self._follower.tracker.detections_at(picture.monotonic_ms) if self._detect else None

    def _report_model_failure(self, model: str, failure: str) -> None:
        self._link.send_state({"type": "model", "model": model, "failure": failure})

    def _report(self) -> None:
        """Report the state at every change and each second; end the process if it is stuck."""
        reported: State | None = None
        reported_at = 0.0
        while True:
            health = self.camera.health()
            if health.state != reported or time.monotonic() - reported_at >= HEARTBEAT_S:
                lost = health.state != reported and health.state in ("stale", "offline")
                reported, reported_at = health.state, time.monotonic()
                self._link.send_state(health.packet() | self._counts())
                if lost and self._latest is not None:
                    self._send_still(self._encoder.encode_still(self._latest, None))
            stuck = self.camera.stuck() or (OVERDUE if overdue() else None)
            if stuck is not None:
                self._link.send_state(health.packet() | {"reason": stuck})
                self._link.flush(0.5)
                os._exit(EX_STUCK)
            time.sleep(0.1)

    def _counts(self) -> dict[str, int]:
        return {"published": self._published, "encodes": self._encoder.encodes}


def _exit_on_thread_failure(failure: threading.ExceptHookArgs) -> NoReturn:
    """Print the exception and end the process, as `threading.excepthook`."""
    traceback.print_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.stderr.flush()
    os._exit(EX_BROKEN)


def main(fd: int) -> NoReturn:
    """Serve the link until it closes. Never returns: threads may be stuck in native code."""
    limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.excepthook = _exit_on_thread_failure
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    link = WorkerLink(socket.socket(fileno=fd))
    link.send_state({"type": "loaded"})
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
