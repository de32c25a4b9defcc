"""The load generator counts exactly what a server sent."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.bench import picture
from tests.bench.building import program
from tests.bench.crowd import Group, LoadFailed, LoadOptions, Measurement, measure
from tests.bench.picture import Picture
from tests.waiting import accepts, free_port, until

pytestmark = pytest.mark.bench

FPS = 20.0


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark's picture."""
    path = tmp_path_factory.mktemp("picture") / "picture.jpg"
    picture.make(path)
    return path


def watching(*groups: Group, fps: float = FPS, v1: bool = False, slow: float = 0) -> LoadOptions:
    return LoadOptions(groups, fps, 1.0, 0.3, v1, v1, slow)


@contextmanager
def loop(jpeg: Path, form: str) -> Iterator[tuple[int, int, int]]:
    """Run the C loop; yield its process id, its port, and the port of its ticks."""
    port, ticks = free_port(), free_port()
    words = [program("loop"), port, ticks, form, jpeg, picture.WIDTH, picture.HEIGHT]
    with subprocess.Popen([str(word) for word in words]) as process:
        try:
            until(lambda: accepts(port), 5, "the loop")
            yield process.pid, port, ticks
        finally:
            process.kill()


def measurement(jpeg: Path, form: str, how: LoadOptions) -> Measurement:
    with loop(jpeg, form) as (pid, port, ticks):
        return measure(how, pid, ticks, lambda camera: (port, f"/c/{camera}"))


def test_picture_has_its_nominal_size(jpeg: Path) -> None:
    stored = Picture(jpeg)
    assert (stored.width, stored.height) == (picture.WIDTH, picture.HEIGHT)
    assert abs(jpeg.stat().st_size - picture.SIZE) < picture.SIZE * 0.03


@pytest.mark.parametrize("form", ["json", "binary"])
def test_every_frame_is_counted_for_every_viewer(jpeg: Path, form: str) -> None:
    groups = Group("healthy", 3, 0), Group("healthy", 2, 1)
    measured = measurement(jpeg, form, watching(*groups, v1=form == "binary"))
    healthy = measured.classes["healthy"]
    assert healthy["viewers"] == 5
    assert abs(healthy["offered"] - 5 * FPS) <= 10  # timer granularity
    assert healthy["delivered"] == healthy["offered"]
    assert healthy["old"] == healthy["closed"] == 0
    assert 0 < healthy["p50"] <= healthy["p99"] <= healthy["max"]
    assert measured.cpu > 0


def test_closed_loop_requests_the_next_frame_when_all_viewers_have_theirs(jpeg: Path) -> None:
    healthy = measurement(jpeg, "json", watching(Group("healthy", 4, 0), fps=0)).classes["healthy"]
    assert healthy["delivered"] == healthy["offered"] > 10 * 4 * FPS


def test_stalled_viewer_gets_nothing_and_delays_nobody(jpeg: Path) -> None:
    groups = Group("healthy", 2, 0), Group("stalled", 2, 0)
    measured = measurement(jpeg, "json", watching(*groups)).classes
    assert measured["stalled"]["delivered"] == 0
    assert measured["healthy"]["delivered"] == measured["healthy"]["offered"]


def test_slow_viewer_reads_at_its_rate(jpeg: Path) -> None:
    rate = FPS * picture.SIZE / 2
    slow = measurement(jpeg, "binary", watching(Group("slow", 1, 0), v1=True, slow=rate)).classes[
        "slow"
    ]
    assert 0 < slow["delivered"] <= slow["offered"] / 2 + 2


def test_repeated_and_missing_frames_are_counted_separately(jpeg: Path) -> None:
    messages = Picture(jpeg)
    clock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    clock.bind(("127.0.0.1", 0))
    clock.settimeout(10)

    def send_every_second_tick_twice(viewer: ServerConnection) -> None:
        for number in range(1000):
            tick = clock.recv(64)
            viewer.send('{"type":"status"}')
            for _ in range(2 * (number % 2)):
                viewer.send(messages.json(tick).decode())

    with clock, serve(send_every_second_tick_twice, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.socket.getsockname()[1]
            how = watching(Group("healthy", 1, 0))
            measured = measure(how, os.getpid(), clock.getsockname()[1], lambda _: (port, "/c/0"))
        finally:
            server.shutdown()
            thread.join()
    healthy = measured.classes["healthy"]
    assert abs(healthy["delivered"] - healthy["offered"] / 2) <= 1
    assert abs(healthy["old"] - healthy["delivered"]) <= 1


def test_refused_handshake_is_a_failure(jpeg: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def refuse() -> None:
            viewer, _ = listener.accept()
            with viewer:
                viewer.recv(1024)
                viewer.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(LoadFailed):
            measure(watching(Group("healthy", 1, 0)), os.getpid(), 9, lambda _: (port, "/"))
        thread.join()
