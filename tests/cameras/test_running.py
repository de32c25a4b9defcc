"""Cameras while the product runs: changes without a restart, and what dies comes back."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.installation import Installation, installed, until
from tests.people import Cast, assemble
from tests.sockets import frame, v1_message, watching


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "running")


def workers(house: Installation) -> list[psutil.Process]:
    """Processes that read a camera."""
    return [
        child
        for child in psutil.Process(house.processes[0].pid).children(recursive=True)
        if "cameras.ingest.worker" in child.cmdline()
    ]


class Observer(threading.Thread):
    """Watches a camera and keeps the times of its frames."""

    def __init__(self, house: Installation, key: str) -> None:
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.times: list[int] = []
        self._house, self._key = house, key

    def run(self) -> None:
        with watching(self._house, self._key) as socket:
            while not self.stopped.is_set():
                self.times.append(int(frame(socket)["timestamp"]))

    def __enter__(self) -> Observer:
        self.start()
        until(lambda: len(self.times) > 5)
        return self

    def __exit__(self, *failure: object) -> None:
        self.stopped.set()
        self.join()

    def longest_gap_ms(self) -> int:
        return max(b - a for a, b in zip(self.times, self.times[1:], strict=False))


def test_adding_changing_disabling_deleting_takes_effect_within_two_seconds(
    house: Installation, cast: Cast
) -> None:
    """... and the camera beside it loses no frame."""
    with Observer(house, cast.key) as observer:
        # Starting a process takes a moment on a busy machine; what counts is that ingest has acted.
        before = {worker.pid for worker in workers(house)}
        camera = house.add_camera(name="Comes and goes", kind="demo", detect=False, width=320)
        until(lambda: {worker.pid for worker in workers(house)} - before, 2, "a new worker")
        with watching(house, camera, headers=cast["viewer"].bearer, v1=True) as socket:
            until(lambda: v1_message(socket).get("width") == 320, 10, "frames of the new camera")
        with house.api() as api:
            running = {worker.pid for worker in workers(house)}
            assert api.patch(f"/cameras/{camera}", json={"width": 160}).status_code == 200
            until(lambda: {worker.pid for worker in workers(house)} - running, 2, "its replacement")
            with watching(house, camera, headers=cast["viewer"].bearer, v1=True) as socket:
                until(lambda: v1_message(socket).get("width") == 160, 10, "frames of the new width")
                off = api.patch(f"/cameras/{camera}", json={"enabled": False})
                assert off.status_code == 200
                until(lambda: _acknowledged(socket, "ended"), 2, "the word “ended”")
            until(lambda: {worker.pid for worker in workers(house)} == before, 2, "its end")
            assert house.state(camera) == "ended"
            refused = api.get(f"/cameras/{camera}/snapshot.jpg")
            assert refused.status_code == 503
            assert refused.json()["detail"] == "This camera is switched off."
            assert api.patch(f"/cameras/{camera}", json={"enabled": True}).status_code == 200
            until(lambda: {worker.pid for worker in workers(house)} - before, 2, "its return")
            assert api.delete(f"/cameras/{camera}").status_code == 204
            until(lambda: {worker.pid for worker in workers(house)} == before, 2, "its removal")
    assert observer.longest_gap_ms() < 450, "the demo clip has a frame every 100 ms"


def test_stuck_worker_is_replaced_within_ten_seconds(house: Installation, cast: Cast) -> None:
    camera = house.add_camera(name="Will be stuck", kind="demo", detect=False)
    with (
        watching(house, camera, headers=cast["viewer"].bearer) as socket,
        Observer(house, cast.key) as observer,
    ):
        frame(socket, 15)
        # The worker of the camera that was added last is the youngest.
        stuck = max(workers(house), key=lambda worker: worker.create_time())
        os.kill(stuck.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        newest = _drain(socket)
        until(lambda: frame(socket, 12)["timestamp"] > newest + 1000, 12, "frames again")
        assert time.monotonic() - stopped < 11
    assert not psutil.pid_exists(stuck.pid)
    assert observer.longest_gap_ms() < 450
    with house.api() as api:
        api.delete(f"/cameras/{camera}")


def _drain(socket: object) -> int:
    """The timestamp of the last frame that was under way."""
    newest = 0
    try:
        while True:
            newest = int(frame(socket, 1)["timestamp"])  # type: ignore[arg-type]
    except TimeoutError:
        return newest


def test_crashed_worker_and_crashed_ingest_come_back(folder: Path) -> None:
    with installed(folder) as alone:
        server = alone.serve()
        cast = assemble(alone, "crash")
        with watching(alone, cast.key, v1=True) as socket:
            until(lambda: "jpeg" in v1_message(socket, 15), 20)
            for victim in ("worker", "ingest"):
                process = next(
                    child
                    for child in psutil.Process(server.pid).children(recursive=True)
                    if victim in " ".join(child.cmdline())
                )
                process.kill()
                socket.send('{"ack": -1}')
                killed = time.time() * 1000
                until(lambda: _fresh(socket, killed), 10, f"frames after the {victim} was killed")  # noqa: B023
        assert "Traceback" not in alone.logged()


def _fresh(socket: object, since: float) -> bool:
    message = v1_message(socket)  # type: ignore[arg-type]
    if "seq" in message:
        socket.send(f'{{"ack": {message["seq"]}}}')  # type: ignore[attr-defined]
    return "jpeg" in message and int(message["timestamp"]) > since + 500


def test_viewers_are_told_when_ingest_falls_silent(house: Installation, cast: Cast) -> None:
    """The whole ingest process is frozen: the web side itself says that the picture is stale."""
    ingest = next(
        child
        for child in psutil.Process(house.processes[0].pid).children()
        if "ingest" in child.cmdline()
    )
    with watching(house, cast.key, v1=True) as socket:
        until(lambda: _acknowledged(socket), 10)
        ingest.suspend()
        try:
            frozen = time.monotonic()
            until(lambda: _acknowledged(socket, "stale"), 6, "the word “stale”")
            assert time.monotonic() - frozen < 4.5
        finally:
            ingest.resume()
        until(lambda: _acknowledged(socket, "live"), 15, "the word “live”")


def _acknowledged(socket: object, state: str = "") -> bool:
    message = v1_message(socket)  # type: ignore[arg-type]
    if "seq" in message:
        socket.send(f'{{"ack": {message["seq"]}}}')  # type: ignore[attr-defined]
        return not state
    return bool(state) and message.get("state") == state


def test_bad_sources_are_refused_with_a_sentence_and_nothing_is_stored(
    house: Installation, cast: Cast
) -> None:
    bad = [
        ("rtsp", "http://10.0.0.1/x"),
        ("rtsp", ""),
        ("http", "file:///etc/passwd"),
        ("http", "http://169.254.169.254/latest/meta-data"),
        ("file", "../../etc/passwd"),
        ("file", "/etc/passwd"),
        ("file", "not-there.mp4"),
        ("device", "/dev/sda"),
        ("demo", "rtsp://10.0.0.1/x"),
        ("carrier pigeon", "x"),
    ]
    with house.api() as api:
        count = len(api.get("/cameras").json()["results"])
        for kind, source in bad:
            answer = api.post(
                "/cameras",
                json={"organization": cast.ours, "name": "Bad", "kind": kind, "source": source},
            )
            assert answer.status_code == 400, (kind, source)
            assert set(answer.json()["errors"]) <= {"source", "kind"}
        assert len(api.get("/cameras").json()["results"]) == count


def test_password_in_a_source_is_never_given_back(house: Installation, cast: Cast) -> None:
    secret = "hunter2-very-secret"
    camera = house.add_camera(
        name="Secretive", kind="rtsp", source=f"rtsp://user:{secret}@127.0.0.1:9/x"
    )
    with house.api() as api:
        shown = api.get(f"/cameras/{camera}").json()["source"]
        assert shown == "rtsp://user:•••@127.0.0.1:9/x"
        same = api.patch(f"/cameras/{camera}", json={"source": shown, "fps": 5})
        assert same.status_code == 200
        moved = api.patch(f"/cameras/{camera}", json={"source": "rtsp://user:•••@10.0.0.9/x"})
        assert moved.status_code == 400
        assert "password again" in moved.json()["detail"]
        until(lambda: house.state(camera) == "offline", 15, "offline")
        told = api.get(f"/cameras/{camera}").json()["state"]["reason"]
        assert "refused" in told
        assert secret not in api.get("/cameras").text
        api.delete(f"/cameras/{camera}")
    raw = b"".join(path.read_bytes() for path in house.folder.glob("sideline.sqlite3*"))
    assert secret.encode() not in raw
    assert secret not in house.logged()
