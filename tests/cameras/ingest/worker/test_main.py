"""A worker process, spoken to over its link."""

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
from tests.cameras.ingest.worker.driven import Hand, is_frame, is_live, worker
from tests.servers import http_camera, plaza_jpegs, silent_server
from tests.waiting import until

STUCK = (  # an open that takes a minute, as native code can
    "-c",
    "import sys, time\n"
    "from cameras.ingest.worker import main, stream\n"
    "stream.open_capture = lambda opening: time.sleep(60)\n"
    "stream.OPEN_LIMIT = 0.5\n"
    "main.main(int(sys.argv[1]))\n",
)


def settled(hand: Hand) -> bool:
    """Whether nothing more came into our buffer in the time of 25 pictures."""
    before, deadline = waiting(hand), time.monotonic() + 1
    until(lambda: time.monotonic() > deadline or waiting(hand) != before)
    return waiting(hand) == before > 0


def waiting(hand: Hand) -> int:
    """Bytes that came and were not read."""
    return int.from_bytes(fcntl.ioctl(hand.link, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_frames_flow_only_while_watched_and_a_still_comes_unasked() -> None:
    began = time.time() * 1000
    with worker(width=384, quality=60) as hand:
        header, still = hand.first(lambda h: h["type"] == "still")
        assert jpeg_size(still) == (384, 216)
        state, _ = hand.first(is_live)
        assert (state["width"], state["height"]) == (768, 432)
        assert not any(map(is_frame, hand.beats(2)))
        hand.say({"type": "wishes", "rates": [(0, 0)]})
        header, jpeg = hand.first(is_frame)
        assert (header["width"], header["height"], header["seq"]) == (384, 216, 1)
        assert jpeg_size(jpeg) == (384, 216)
        assert "detections" not in header
        later, _ = hand.first(is_frame)
        assert began < header["timestamp"] < later["timestamp"] <= time.time() * 1000
        hand.say({"type": "wishes", "rates": []})
        until(lambda: not any(map(is_frame, hand.beats(2))), what="the end of the frames")


@pytest.mark.timing
def test_state_is_a_heartbeat_every_second() -> None:
    with worker() as hand:
        hand.first(is_live)
        beats = [h for h, _ in hand.packets(2.3) if h["type"] == "state"]
        assert 2 <= len(beats) <= 3
        assert beats[-1]["fps"] == pytest.approx(10, abs=1)


def test_watched_frames_carry_tracked_people_inside_the_delivered_picture() -> None:
    with worker(detect=True, width=384) as hand:
        hand.say({"type": "wishes", "rates": [(0, 0)]})
        header, _ = hand.first(lambda h: is_frame(h) and len(h["detections"]) >= 4)
        for found in header["detections"]:
            assert found["class"] in DEFAULT_CLASSES
            assert found["track_id"] >= 1
            x, y, width, height = found["bbox"]
            assert 0 <= x <= x + width <= 384
            assert 0 <= y <= y + height <= 216


def test_a_pushed_jpeg_is_published_byte_for_byte() -> None:
    with worker(kind="push", detect=True) as hand:
        header, _ = hand.first(lambda h: h["type"] == "state")
        assert header["state"] == "offline"
        hand.say({"type": "wishes", "rates": [(0, 0)]})
        hand.say({"type": "push", "timestamp": 1_000}, b"\xff\xd8\xff nonsense")
        for number, jpeg in enumerate(plaza_jpegs()[:3]):
            timestamp = int(time.time() * 1000) + number
            hand.say({"type": "push", "timestamp": timestamp}, jpeg)
            header, shown = hand.first(is_frame)
            assert header["timestamp"] == timestamp
            assert shown == jpeg
        if "live" not in hand.states:
            hand.first(is_live)


def test_who_comes_after_a_pushed_picture_gets_it_at_once_in_the_width_wished() -> None:
    with worker(kind="push") as hand:
        taken = int(time.time() * 1000)
        hand.say({"type": "push", "timestamp": taken}, plaza_jpegs()[0])
        hand.first(is_live)
        for rates, width in [([(0, 0)], 768), ([(0, 0), (320, 5)], 320)]:
            hand.say({"type": "wishes", "rates": rates})
            header, jpeg = hand.first(is_frame)
            assert (header["timestamp"], header["width"]) == (taken, width)
            assert jpeg_size(jpeg)[0] == width
        hand.say({"type": "wishes", "rates": [(0, 0), (320, 5)], "new": [320]})
        header, _ = hand.first(is_frame)
        assert (header["timestamp"], header["variant"]) == (taken, 320), "new to another process"
        hand.say({"type": "wishes", "rates": [(320, 5)]})
        hand.say({"type": "push", "timestamp": taken + 1}, plaza_jpegs()[0])
        header, _ = hand.first(is_frame)
        assert header["timestamp"] == taken + 1, "nobody new, nothing again"


def test_a_supervisor_that_does_not_read_makes_nothing_queue() -> None:
    with http_camera(fps=25) as camera, worker(kind="http", source=camera.url, fps=25) as hand:
        hand.say({"type": "wishes", "rates": [(0, 0)]})
        hand.first(is_frame)
        until(lambda: settled(hand), 60, "the kernel's buffers are full")
        waited = time.time() * 1000
        frames = []
        while sum(taken >= waited for taken in frames) < 5:
            frames.append(hand.first(is_frame)[0]["timestamp"])
        assert sum(taken < waited - 200 for taken in frames) < 20  # kernel buffers


def test_a_worker_that_follows_a_stuck_one_waits_before_it_opens() -> None:
    with worker(attempt=2) as hand:
        header, _ = hand.first(lambda h: h["type"] == "state")
        assert (header["state"], header["attempt"]) == ("offline", 2)
        assert "restarted" in header["reason"]
        header, _ = hand.first(is_live)
        assert (header["reason"], header["attempt"]) == ("", 0)


def test_a_worker_stuck_in_native_code_says_so_and_asks_to_be_started_again() -> None:
    with worker(command=STUCK) as hand:
        states = [header for header, _ in hand.packets(60) if header["type"] == "state"]
        assert states[-1]["reason"] == "The camera does not open."
        assert hand.process.wait(30) == 75


def ends_with_its_link(seconds: float, **config: Any) -> None:
    with worker(**config) as hand:
        hand.first(lambda h: h["type"] == "state")
        hand.link.close()
        assert hand.process.wait(seconds) == 0


@pytest.mark.parametrize("kind", ["demo", "push"])
def test_the_worker_ends_when_its_link_closes(kind: str) -> None:
    ends_with_its_link(30, kind=kind)


@pytest.mark.parametrize("seconds", [30, pytest.param(3, marks=pytest.mark.timing)])
def test_a_worker_that_still_connects_ends_when_its_link_closes(seconds: float) -> None:
    """FFmpeg waits five seconds for an answer, and is not waited for."""
    with silent_server() as port:
        ends_with_its_link(seconds, kind="rtsp", source=f"rtsp://127.0.0.1:{port}/x")


def test_ctrl_c_is_left_to_the_supervisor_and_sigterm_ends_it() -> None:
    with worker() as hand:
        hand.first(is_live)
        hand.process.send_signal(signal.SIGINT)
        hand.beats(2)
        assert hand.process.poll() is None
        hand.process.send_signal(signal.SIGTERM)
        assert hand.process.wait(30) == -signal.SIGTERM


def test_going_stale_sends_the_state_and_the_last_picture() -> None:
    with http_camera() as camera, worker(kind="http", source=camera.url) as hand:
        hand.first(is_live)
        camera.frozen = True
        header, _ = hand.first(lambda h: h["type"] == "state" and h["state"] == "stale")
        still, jpeg = hand.first(lambda h: h["type"] == "still")
        assert jpeg_size(jpeg) == (768, 432)
        assert header["last_frame"] - 1100 < still["timestamp"] <= header["last_frame"]


def test_no_password_reaches_the_states_or_standard_error(tmp_path: Path) -> None:
    with http_camera() as camera:
        camera.login = "admin:hunter3"
        source = camera.url.replace("//", "//admin:hunter2@")
        with worker(kind="http", source=source) as hand:
            header, _ = hand.first(lambda h: h["type"] == "state" and h["state"] == "offline")
            assert header["reason"] == "The camera refused this user name and password."
            hand.process.terminate()
            assert hand.process.stderr is not None
            assert b"hunter" not in hand.process.stderr.read()
