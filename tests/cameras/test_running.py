"""Cameras on a running server: changes without a restart, and recovery from crashes."""

from __future__ import annotations

import os
import signal
import threading
import time
from itertools import pairwise

import psutil
import pytest
from websockets.sync.client import ClientConnection

from tests.cameras.picture_outputs import is_next_taken_after
from tests.cameras.temporary_camera import temporary_camera, worker
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.sockets import receive_and_acknowledge, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "running")


class Observer(threading.Thread):
    """Watches a camera, acknowledges at once, and records `(seq, timestamp)` of every frame."""

    def __init__(self, installation: Installation, key: str) -> None:
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.seen: list[tuple[int, int]] = []
        self._installation, self._key = installation, key

    def run(self) -> None:
        with watching(self._installation, self._key, v1=True) as socket:
            while not self.stopped.is_set():
                message = receive_and_acknowledge(socket)
                if "jpeg" in message:
                    self.seen.append((message["seq"], message["timestamp"]))

    def __enter__(self) -> Observer:
        self.start()
        until(lambda: len(self.seen) > 5)
        return self

    def __exit__(self, *failure: object) -> None:
        self.stopped.set()
        self.join()

    def saw_every_frame(self) -> bool:
        """Assert that no frame is missing and none was late: the clip has one every 100 ms."""
        pairs = list(pairwise(self.seen))
        missing = [(a, b) for (a, _), (b, _) in pairs if b != a + 1]
        assert not missing, f"numbers around the gaps among {len(self.seen)} frames: {missing}"
        assert max(b - a for (_, a), (_, b) in pairs) < 450
        return True


def test_adding_changing_disabling_deleting_takes_effect(
    installation: Installation, scenario: Scenario
) -> None:
    changes_take_effect(installation, scenario, 60)


@pytest.mark.timing
def test_changes_take_effect_within_two_seconds(
    installation: Installation, scenario: Scenario
) -> None:
    """Meanwhile the camera beside it loses no frame."""
    with Observer(installation, scenario.key) as observer:
        changes_take_effect(installation, scenario, 2)
    assert observer.saw_every_frame()


def changes_take_effect(installation: Installation, scenario: Scenario, within: float) -> None:
    """Assert that ingest acts on each change within `within` seconds.

    The start of a worker process is not included: it takes its own time.
    """
    viewer = scenario["viewer"].bearer
    terms = {"name": "Comes and goes", "kind": "demo", "detect": False, "width": 320}
    with temporary_camera(installation, **terms) as camera, installation.api() as api:
        until(lambda: worker(installation, camera), within, "a new worker")
        with watching(installation, camera, headers=viewer, v1=True) as socket:
            until(lambda: receive_and_acknowledge(socket, 30).get("width") == 320, 60, "frames")
        running = worker(installation, camera)
        assert api.patch(f"/cameras/{camera}", json={"width": 160}).status_code == 200
        until(
            lambda: worker(installation, camera) not in (None, running), within, "its replacement"
        )
        with watching(installation, camera, headers=viewer, v1=True) as socket:
            until(
                lambda: receive_and_acknowledge(socket, 30).get("width") == 160, 60, "the new width"
            )
            assert api.patch(f"/cameras/{camera}", json={"enabled": False}).status_code == 200
            until(lambda: reports_state(socket, "ended"), within, "the word “ended”")
        until(lambda: not worker(installation, camera), within, "its end")
        assert installation.state(camera) == "ended"
        refused = api.get(f"/cameras/{camera}/snapshot.jpg")
        assert refused.status_code == 503
        assert refused.json()["detail"] == "This camera is switched off."
        assert api.patch(f"/cameras/{camera}", json={"enabled": True}).status_code == 200
        until(lambda: worker(installation, camera), within, "its return")
        assert api.delete(f"/cameras/{camera}").status_code == 204
        until(lambda: not worker(installation, camera), within, "its removal")


@pytest.mark.timing
def test_stuck_worker_is_replaced_within_ten_seconds(
    installation: Installation, scenario: Scenario
) -> None:
    with (
        temporary_camera(installation, name="Will be stuck", kind="demo", detect=False) as camera,
        watching(installation, camera, headers=scenario["viewer"].bearer, v1=True) as socket,
        Observer(installation, scenario.key) as observer,
    ):
        until(lambda: "jpeg" in receive_and_acknowledge(socket, 15), 15, "a frame")
        stuck = worker(installation, camera)
        assert stuck
        os.kill(stuck, signal.SIGSTOP)
        stopped, frozen_at = time.monotonic(), time.time() * 1000
        until(lambda: is_next_taken_after(socket, frozen_at), 12, "a picture taken since")
        assert time.monotonic() - stopped <= 10
    assert not psutil.pid_exists(stuck)
    assert observer.saw_every_frame()


def reports_state(socket: ClientConnection, state: str) -> bool:
    """Return whether the next message reports this state."""
    return bool(receive_and_acknowledge(socket, 60).get("state") == state)


@pytest.mark.extended
def test_crashed_worker_is_restarted(installation: Installation, scenario: Scenario) -> None:
    """Viewers notice only that no picture arrives for a while."""
    with (
        temporary_camera(installation, name="Crashes", kind="demo", detect=False) as camera,
        watching(installation, camera, headers=scenario["viewer"].bearer, v1=True) as socket,
    ):
        until(lambda: "jpeg" in receive_and_acknowledge(socket, 60), 60, "a frame")
        pid = worker(installation, camera)
        assert pid
        os.kill(pid, signal.SIGKILL)
        killed = time.time() * 1000
        until(lambda: is_next_taken_after(socket, killed + 500), 60, "frames of a new worker")


@pytest.mark.extended
def test_viewers_receive_stale_when_ingest_freezes(
    installation: Installation, scenario: Scenario
) -> None:
    """The whole ingest process is frozen: the web process itself reports the picture as stale."""
    measure_stale_delay(installation, scenario)


@pytest.mark.timing
def test_frozen_ingest_is_reported_within_five_seconds(
    installation: Installation, scenario: Scenario
) -> None:
    assert measure_stale_delay(installation, scenario) < 4.5


@pytest.mark.timing
def test_killed_ingest_is_restarted_within_ten_seconds(
    installation: Installation, scenario: Scenario
) -> None:
    with watching(installation, scenario.key, v1=True) as socket:
        until(lambda: "jpeg" in receive_and_acknowledge(socket, 30), 30, "a frame")
        (ingest,) = installation.children("manage.py ingest")
        ingest.kill()
        killed = time.time() * 1000
        until(lambda: is_next_taken_after(socket, killed + 500), 10, "frames of a new process")


def measure_stale_delay(installation: Installation, scenario: Scenario) -> float:
    """Freeze ingest. Returns the seconds until a viewer receives the state “stale”."""
    (ingest,) = installation.children("manage.py ingest")
    with watching(installation, scenario.key, v1=True) as socket:
        until(lambda: "jpeg" in receive_and_acknowledge(socket, 30), 30)
        ingest.suspend()
        try:
            frozen = time.monotonic()
            until(lambda: reports_state(socket, "stale"), 60, "the word “stale”")
            took = time.monotonic() - frozen
        finally:
            ingest.resume()
        until(lambda: reports_state(socket, "live"), 60, "the word “live”")
    return took


def test_bad_sources_are_refused_with_a_sentence_and_nothing_is_stored(
    installation: Installation, scenario: Scenario
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
    with installation.api() as api:
        count = len(api.get("/cameras").json()["results"])
        for kind, source in bad:
            answer = api.post(
                "/cameras",
                json={"organization": scenario.ours, "name": "Bad", "kind": kind, "source": source},
            )
            assert answer.status_code == 400, (kind, source)
            assert set(answer.json()["errors"]) <= {"source", "kind"}
        assert len(api.get("/cameras").json()["results"]) == count


ROW = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT * FROM cameras_camera")
    for row in cursor.fetchall():
        print(*(bytes(v) if isinstance(v, memoryview) else v for v in row))
"""


@pytest.mark.postgres
def test_source_password_is_never_returned(installation: Installation, scenario: Scenario) -> None:
    secret = "hunter2-very-secret"
    source = f"rtsp://user:{secret}@127.0.0.1:9/x"
    with (
        temporary_camera(installation, name="Secretive", kind="rtsp", source=source) as camera,
        installation.api() as api,
    ):
        shown = api.get(f"/cameras/{camera}").json()["source"]
        assert shown == "rtsp://user:•••@127.0.0.1:9/x"
        same = api.patch(f"/cameras/{camera}", json={"source": shown, "fps": 5})
        assert same.status_code == 200
        moved = api.patch(f"/cameras/{camera}", json={"source": "rtsp://user:•••@10.0.0.9/x"})
        assert moved.status_code == 400
        assert "password again" in moved.json()["detail"]
        until(lambda: installation.state(camera) == "offline", 60, "offline")
        told = api.get(f"/cameras/{camera}").json()["state"]["reason"]
        assert "refused" in told
        assert secret not in api.get("/cameras").text
        row = installation.manage("shell", "-v0", "-c", ROW)
        assert "Secretive" in row, "the camera is not in the output"
        assert secret not in row
        if "DATABASE_URL" not in installation.environment:
            raw = b"".join(
                path.read_bytes() for path in installation.folder.glob("sideline.sqlite3*")
            )
            assert b"Secretive" in raw
            assert secret.encode() not in raw
    assert secret not in installation.logged()
