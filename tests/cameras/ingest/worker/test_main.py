"""A worker process, driven over its link."""

from __future__ import annotations

import fcntl
import signal
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.live.jpeg import jpeg_size
from tests.cameras.ingest.worker.driven import WorkerDriver, is_frame, is_live, worker
from tests.servers import http_camera, plaza_jpegs, silent_server
from tests.waiting import until

STUCK = (  # an open that hangs for a minute
    "-c",
    "import sys, time\n"
    "from cameras.ingest.worker import capture, main, watchdog\n"
    "capture.Demuxer = lambda *facts: time.sleep(60)\n"
    "capture.OPEN_LIMIT = watchdog.STUCK_AFTER = 0.3\n"
    "main.main(int(sys.argv[1]))\n",
)


def settled(driver: WorkerDriver) -> bool:
    """Whether the receive buffer did not grow for one second, the time of 25 pictures."""
    before, deadline = waiting(driver), time.monotonic() + 1
    until(lambda: time.monotonic() > deadline or waiting(driver) != before)
    return waiting(driver) == before > 0


def waiting(driver: WorkerDriver) -> int:
    """Return the number of received, unread bytes."""
    return int.from_bytes(fcntl.ioctl(driver.link, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_frames_are_sent_only_on_demand_and_stills_always() -> None:
    began = time.time() * 1000
    with worker(width=384, quality=60) as driver:
        header, still = driver.first(lambda h: h["type"] == "still")
        assert jpeg_size(still) == (384, 216)
        state, _ = driver.first(is_live)
        assert (state["width"], state["height"]) == (768, 432)
        assert not any(map(is_frame, driver.until_states(2)))
        driver.send({"type": "demand", "rates": [(0, 0)]})
        header, jpeg = driver.first(is_frame)
        assert (header["width"], header["height"], header["seq"]) == (384, 216, 1)
        assert jpeg_size(jpeg) == (384, 216)
        assert "detections" not in header
        later, _ = driver.first(is_frame)
        assert began < header["timestamp"] < later["timestamp"] <= time.time() * 1000
        driver.send({"type": "demand", "rates": []})
        until(lambda: not any(map(is_frame, driver.until_states(2))), what="the end of the frames")


@pytest.mark.timing
def test_state_is_a_heartbeat_every_second() -> None:
    with worker() as driver:
        driver.first(is_live)
        beats = [h for h, _ in driver.packets(2.3) if h["type"] == "state"]
        assert 2 <= len(beats) <= 3
        assert beats[-1]["fps"] == pytest.approx(10, abs=1)


def test_watched_frames_carry_tracked_people_inside_the_delivered_picture() -> None:
    with worker(detect=True, width=384) as driver:
        driver.send({"type": "demand", "rates": [(0, 0)]})
        header, _ = driver.first(lambda h: is_frame(h) and len(h["detections"]) >= 4)
        for found in header["detections"]:
            assert found["class"] in DEFAULT_CLASSES
            assert found["track_id"] >= 1
            x, y, width, height = found["bbox"]
            assert 0 <= x <= x + width <= 384
            assert 0 <= y <= y + height <= 216


def test_pushed_jpeg_is_published_unchanged() -> None:
    with worker(kind="push", detect=True) as driver:
        header, _ = driver.first(lambda h: h["type"] == "state")
        assert header["state"] == "offline"
        driver.send({"type": "demand", "rates": [(0, 0)]})
        driver.send({"type": "push", "timestamp": 1_000}, b"\xff\xd8\xff nonsense")
        for number, jpeg in enumerate(plaza_jpegs()[:3]):
            timestamp = int(time.time() * 1000) + number
            driver.send({"type": "push", "timestamp": timestamp}, jpeg)
            header, shown = driver.first(is_frame)
            assert header["timestamp"] == timestamp
            assert shown == jpeg
        if "live" not in driver.states:
            driver.first(is_live)


def test_new_viewer_gets_the_last_pushed_picture_at_once() -> None:
    with worker(kind="push") as driver:
        timestamp = int(time.time() * 1000)
        driver.send({"type": "push", "timestamp": timestamp}, plaza_jpegs()[0])
        driver.first(is_live)
        for rates, width in [([(0, 0)], 768), ([(0, 0), (320, 5)], 320)]:
            driver.send({"type": "demand", "rates": rates})
            header, jpeg = driver.first(is_frame)
            assert (header["timestamp"], header["width"]) == (timestamp, width)
            assert jpeg_size(jpeg)[0] == width
        driver.send({"type": "demand", "rates": [(0, 0), (320, 5)], "new": [320]})
        header, _ = driver.first(is_frame)
        assert (header["timestamp"], header["variant"]) == (timestamp, 320), (
            "new to another web process"
        )
        driver.send({"type": "demand", "rates": [(320, 5)]})
        driver.send({"type": "push", "timestamp": timestamp + 1}, plaza_jpegs()[0])
        header, _ = driver.first(is_frame)
        assert header["timestamp"] == timestamp + 1, "no new width, so nothing is resent"


def test_frames_do_not_queue_while_the_supervisor_does_not_read() -> None:
    with http_camera(fps=25) as camera, worker(kind="http", source=camera.url, fps=25) as driver:
        driver.send({"type": "demand", "rates": [(0, 0)]})
        driver.first(is_frame)
        until(lambda: settled(driver), 60, "the kernel's buffers are full")
        waited = time.time() * 1000
        frames = []
        while sum(timestamp >= waited for timestamp in frames) < 5:
            frames.append(driver.first(is_frame)[0]["timestamp"])
        assert sum(timestamp < waited - 200 for timestamp in frames) < 20  # kernel buffers


def test_restarted_worker_waits_its_backoff() -> None:
    with worker(attempt=2) as driver:
        header, _ = driver.first(lambda h: h["type"] == "state")
        assert (header["state"], header["attempt"]) == ("offline", 2)
        assert "was interrupted" in header["reason"]
        header, _ = driver.first(is_live)
        assert (header["reason"], header["attempt"]) == ("", 0)


def test_worker_stuck_in_native_code_reports_it_and_exits() -> None:
    with worker(command=STUCK) as driver:
        states = [header for header, _ in driver.packets(60) if header["type"] == "state"]
        assert states[-1]["reason"] == "The file does not open."
        assert driver.process.wait(30) == 75


def ends_with_its_link(seconds: float, **config: Any) -> None:
    with worker(**config) as driver:
        driver.first(lambda h: h["type"] == "state")
        driver.link.close()
        assert driver.process.wait(seconds) == 0


@pytest.mark.parametrize("kind", ["demo", "push"])
def test_worker_ends_when_its_link_closes(kind: str) -> None:
    ends_with_its_link(30, kind=kind)


@pytest.mark.parametrize("seconds", [30, pytest.param(3, marks=pytest.mark.timing)])
def test_connecting_worker_ends_when_its_link_closes(seconds: float) -> None:
    """The worker does not wait for FFmpeg, whose timeout is five seconds."""
    with silent_server() as port:
        ends_with_its_link(seconds, kind="rtsp", source=f"rtsp://127.0.0.1:{port}/x")


def test_worker_ignores_sigint_and_ends_at_sigterm() -> None:
    with worker() as driver:
        driver.first(is_live)
        driver.process.send_signal(signal.SIGINT)
        driver.until_states(2)
        assert driver.process.poll() is None
        driver.process.send_signal(signal.SIGTERM)
        assert driver.process.wait(30) == -signal.SIGTERM


def test_going_stale_sends_the_state_and_the_last_picture() -> None:
    with http_camera() as camera, worker(kind="http", source=camera.url) as driver:
        driver.first(is_live)
        camera.frozen = True
        header, _ = driver.first(lambda h: h["type"] == "state" and h["state"] == "stale")
        still, jpeg = driver.first(lambda h: h["type"] == "still")
        assert jpeg_size(jpeg) == (768, 432)
        assert header["last_frame"] - 1100 < still["timestamp"] <= header["last_frame"]


def test_no_password_reaches_the_states_or_standard_error(tmp_path: Path) -> None:
    with http_camera() as camera:
        camera.login = "admin:hunter3"
        source = camera.url.replace("//", "//admin:hunter2@")
        with worker(kind="http", source=source) as driver:
            header, _ = driver.first(lambda h: h["type"] == "state" and h["state"] == "offline")
            assert header["reason"] == "The camera refused this user name and password."
            driver.process.terminate()
            assert driver.process.stderr is not None
            assert b"hunter" not in driver.process.stderr.read()
