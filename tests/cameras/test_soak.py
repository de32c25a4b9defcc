"""Soak tests: many viewers, a slow one and many killed workers leave no leaks."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario
from tests.sockets import age_ms, receive_and_acknowledge, v1_message, watching
from tests.waiting import until

pytestmark = pytest.mark.soak

MEGABYTE = 2**20
KILLS = 20


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Scenario]]:
    """An installation of its own with three cameras, seen live."""
    with installed(tmp_path_factory.mktemp("soak")) as installation:
        installation.serve()
        scenario = create_scenario(installation, "soak")
        for name in ("North", "South"):
            installation.add_camera(name=name, kind="demo", detect=False, width=320)
        visit(installation, scenario.key)
        yield installation, scenario


def visit(installation: Installation, camera: str, **how: object) -> None:
    """Connect, receive one picture, close."""
    with watching(installation, camera, v1=True, **how) as viewer:  # type: ignore[arg-type]
        until(lambda: "jpeg" in receive_and_acknowledge(viewer), 15, "a picture")


def vanish(installation: Installation, camera: str) -> None:
    """Connect, receive the first bytes, and drop the connection without a close frame."""
    with socket.create_connection(("127.0.0.1", installation.port), 10) as raw:
        raw.sendall(
            f"GET /ws/stream/{camera} HTTP/1.1\r\nHost: 127.0.0.1:{installation.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"


def cost(server: psutil.Process) -> tuple[float, int]:
    """Return the resident memory in MB, and the number of open file descriptors."""
    return server.memory_info().rss / MEGABYTE, server.num_fds()


def settled(server: psutil.Process, fds: int) -> tuple[float, int]:
    """Return `cost` once the connections are closed; the database may keep 4 descriptors."""
    until(lambda: server.num_fds() <= fds + 4, 20, f"the end of connections, {fds} before")
    return cost(server)


def test_two_hundred_viewers_leave_no_resources_behind(club: tuple[Installation, Scenario]) -> None:
    """Half of them send a close frame. The first forty are for warming up."""
    installation, scenario = club
    server = psutil.Process(installation.processes[0].pid)
    for number in range(200):
        if number == 40:
            warm = cost(server)
        if number % 2:
            vanish(installation, scenario.key)
        else:
            visit(installation, scenario.key)
    megabytes, fds = settled(server, warm[1])
    print(f"200 viewers: {warm[0]:.0f} → {megabytes:.0f} MB, {warm[1]} → {fds} descriptors")
    assert megabytes - warm[0] < 16
    assert "Traceback" not in installation.logged()


def test_fast_viewer_gets_every_frame_and_slow_viewer_fresh_ones_for_a_minute(
    club: tuple[Installation, Scenario],
) -> None:
    """The slow viewer reads once a second."""
    installation, scenario = club
    server = psutil.Process(installation.processes[0].pid)
    slow_ages: list[float] = []
    over = threading.Event()

    def look_now_and_then() -> None:
        with watching(installation, scenario.key, v1=True) as viewer:
            unread: list[int] = []
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    message = v1_message(viewer, 0.2)
                    if "jpeg" in message:
                        slow_ages.append(age_ms(message))
                        unread.append(message["seq"])
                    continue  # read everything, then pause for a second
                over.wait(1)
                for seq in unread:
                    viewer.send(f'{{"ack": {seq}}}')
                unread.clear()

    slow = threading.Thread(target=look_now_and_then)
    slow.start()
    try:
        with watching(installation, scenario.key, v1=True) as fast:
            numbers, ages, costs = [], [], []
            began = time.monotonic()
            while time.monotonic() - began < 60:
                message = receive_and_acknowledge(fast)
                if "jpeg" in message:
                    numbers.append(message["seq"])
                    ages.append(age_ms(message))
                if len(costs) < (time.monotonic() - began) // 10:
                    costs.append(cost(server))
    finally:
        over.set()
        slow.join()
    print(f"a minute: {len(numbers)} and {len(slow_ages)} pictures, (MB, descriptors): {costs}")
    assert len(numbers) == numbers[-1] - numbers[0] + 1, "the fast viewer missed a picture"
    assert len(numbers) > 550
    assert sorted(ages)[int(len(ages) * 0.95)] < 1000
    assert 60 <= len(slow_ages) < 120, "about two credits per second"
    assert sorted(slow_ages)[int(len(slow_ages) * 0.95)] < 1000
    assert max(megabytes for megabytes, _ in costs) - costs[0][0] < 8
    assert max(fds for _, fds in costs) - costs[0][1] <= 4


def test_twenty_killed_workers_are_replaced_without_leaks(
    club: tuple[Installation, Scenario],
) -> None:
    installation, _ = club
    server = psutil.Process(installation.processes[0].pid)
    (ingest,) = installation.children("manage.py ingest")
    before, ingest_fds = cost(server), ingest.num_fds()
    count = len(installation.children("cameras.ingest.worker.main"))
    assert count >= 3
    chance = random.Random(7)
    took = []
    for _ in range(KILLS):
        readers = installation.children("cameras.ingest.worker.main")
        assert len(readers) == count
        victim = chance.choice(readers)
        killed, known = time.monotonic(), {reader.pid for reader in readers}
        killed_at = time.time() * 1000
        victim.kill()

        def again(known: set[int] = known, killed_at: float = killed_at) -> bool:
            pids = {reader.pid for reader in installation.children("cameras.ingest.worker.main")}
            return len(pids) == count and pids != known and all_deliver(installation, killed_at)

        until(again, 12, "the killed worker's camera")
        took.append(time.monotonic() - killed)
    print(
        f"{KILLS} kills: {sorted(took)[KILLS // 2]:.1f} s in the middle, {max(took):.1f} s at most"
    )
    assert max(took) <= 10
    megabytes, fds = settled(server, before[1])
    until(lambda: ingest.num_fds() <= ingest_fds + 4, 20, "the links of dead workers closed")
    print(f"web: {before[0]:.0f} → {megabytes:.0f} MB, {before[1]} → {fds} descriptors")
    assert megabytes - before[0] < 16
    assert "Traceback" not in installation.logged()


def all_deliver(installation: Installation, since: float) -> bool:
    """True if every demo camera delivers a picture taken after this time (unix ms)."""
    with installation.api() as api:
        bearer = {"Authorization": api.headers["Authorization"]}
        cameras = [one for one in api.get("/cameras").json()["results"] if one["kind"] == "demo"]
    return all(shows(installation, camera["id"], bearer, since) for camera in cameras)


def shows(installation: Installation, camera: str, bearer: dict[str, str], since: float) -> bool:
    """True if a picture taken after this time arrives, without a second of silence before."""
    with watching(installation, camera, headers=bearer, v1=True) as viewer:
        with contextlib.suppress(TimeoutError):
            return until(lambda: receive_and_acknowledge(viewer, 1).get("timestamp", 0) > since, 5)
    return False
