"""Prometheus metrics: where they are served, and that they follow what happens."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest

from cameras.ingest.metrics import Totals
from cameras.live import metrics
from cameras.live.formats import PreparedFrame
from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.variants import Variant
from tests.installation import Installation, installed
from tests.metrics import MetricsEndpoint
from tests.people import Scenario, create_scenario
from tests.project.monitoring import used_families
from tests.redis import RedisServer
from tests.sockets import next_frame, receive_and_acknowledge, watching
from tests.waiting import free_port, until

COUNTERS = tuple(
    f"sideline_{name}_total" for name in ("frames_captured", "frames_published", "encodes")
)
SHUTDOWN_S = 3.0


@dataclass(frozen=True, slots=True)
class Measured:
    """An installation with metrics."""

    installation: Installation
    scenario: Scenario
    endpoint: MetricsEndpoint


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    endpoint = MetricsEndpoint(free_port())
    folder = tmp_path_factory.mktemp("measured")
    with installed(folder, SIDELINE_METRICS=str(endpoint.port)) as installation:
        installation.serve()
        until(endpoint.is_served, 60, "the metrics")
        yield Measured(installation, create_scenario(installation, "measured"), endpoint)


def listening_addresses(process: psutil.Process) -> set[tuple[str, int]]:
    """Return the addresses that a process listens on."""
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_metrics_follow_viewers_and_their_frames(
    measured: Measured,
) -> None:
    plaza, endpoint = measured.scenario.plaza, measured.endpoint
    bearer = measured.scenario["viewer"].bearer

    def viewers(kind: str) -> float:
        return endpoint.total("sideline_viewers", camera=plaza, viewer=kind)

    def delivered(kind: str) -> float:
        return endpoint.total("sideline_frames_delivered_total", camera=plaza, viewer=kind)

    with (
        watching(measured.installation, measured.scenario.key) as seed,
        watching(measured.installation, plaza, headers=bearer, v1=True) as v1,
    ):
        for _ in range(10):
            next_frame(seed, 60)
            receive_and_acknowledge(v1, 60)
        assert (viewers("seed"), viewers("v1")) == (1, 1)
        before = delivered("seed"), delivered("v1")
        assert min(before) >= 5
        assert endpoint.total("sideline_frames_received_total", camera=plaza) >= 10
        for name in COUNTERS:
            endpoint.wait_for_more(name, 9, camera=plaza)
        for _ in range(10):
            next_frame(seed, 60)
    until(lambda: (viewers("seed"), viewers("v1")) == (0, 0), 60, "no viewer")
    assert delivered("seed") >= max(20, before[0])
    assert delivered("v1") >= before[1], "viewers who left still count"

    ages = "sideline_age_at_delivery_seconds"
    total = endpoint.total(f"{ages}_count", camera=plaza)
    assert total == endpoint.total("sideline_frames_delivered_total", camera=plaza)
    assert endpoint.total(f"{ages}_sum", camera=plaza) > 0
    assert endpoint.total(f"{ages}_bucket", camera=plaza, le="+Inf") == total


@pytest.mark.timing
def test_ages_are_in_seconds(measured: Measured) -> None:
    with watching(measured.installation, measured.scenario.key) as seed:
        for _ in range(10):
            next_frame(seed)
        ages = "sideline_age_at_delivery_seconds"
        total = measured.endpoint.total(f"{ages}_count", camera=measured.scenario.plaza)
        assert 0 < measured.endpoint.total(f"{ages}_sum", camera=measured.scenario.plaza) < total


def test_camera_is_named_and_its_state_is_exported(measured: Measured) -> None:
    plaza, endpoint = measured.scenario.plaza, measured.endpoint
    assert endpoint.total("sideline_camera_info", camera=plaza, name="Plaza") == 1
    until(lambda: endpoint.total("sideline_camera_up", camera=plaza) == 1, 60, "the camera")
    last = "sideline_camera_last_frame_timestamp_seconds"
    endpoint.wait_for_more(last, endpoint.total(last, camera=plaza), camera=plaza)
    assert abs(endpoint.total(last, camera=plaza) - time.time()) < 60
    with measured.installation.api() as api:
        api.patch(f"/cameras/{plaza}", json={"enabled": False})
        until(lambda: not endpoint.has("sideline_camera_up", camera=plaza), 60, "its end")
        api.patch(f"/cameras/{plaza}", json={"enabled": True})


def test_requests_are_counted_by_route_and_status(measured: Measured) -> None:
    endpoint, url = measured.endpoint, measured.installation.url

    def requests(**labels: str) -> float:
        return endpoint.total("sideline_http_requests_total", **labels)

    httpx.get(f"{url}/api/v1/cameras/{measured.scenario.plaza}")
    httpx.get(f"{url}/nothing/here")
    httpx.request("BREW", f"{url}/nothing/here")
    assert requests(route="/api/v1/cameras/<pk>", method="GET", status="401") == 1
    assert requests(route="other", method="GET", status="404") == 1
    assert requests(route="other", method="other") == 1
    durations = "sideline_http_request_duration_seconds_count"
    assert endpoint.total(durations, route="other") == 2


def test_alerts_and_dashboard_use_metrics_that_exist(measured: Measured) -> None:
    assert used_families() <= measured.endpoint.names()


def test_dropped_frames_of_a_slow_viewer_are_counted(measured: Measured) -> None:
    plaza, bearer = measured.scenario.plaza, measured.scenario["viewer"].bearer

    def missed() -> float:
        return measured.endpoint.total("sideline_frames_dropped_total", camera=plaza, viewer="v1")

    before = missed()
    with watching(measured.installation, plaza, headers=bearer, v1=True):  # acknowledges nothing
        until(lambda: missed() >= before + 5, 60, "missed frames")


@pytest.mark.extended
def test_counters_never_fall_when_a_worker_or_ingest_is_killed(measured: Measured) -> None:
    seen: list[tuple[float, ...]] = []

    def read_counters() -> tuple[float, ...]:
        seen.append(
            tuple(
                measured.endpoint.total(name, camera=measured.scenario.plaza) for name in COUNTERS
            )
        )
        return seen[-1]

    restarts, victims = "sideline_task_restarts_total", {
        "worker": "cameras.ingest.worker.main", "ingest process": "manage.py ingest"
    }  # fmt: skip
    with watching(measured.installation, measured.scenario.key):
        until(lambda: min(read_counters()) > 0, 60, "the first counts")
        for task, victim in victims.items():
            before = measured.endpoint.total(restarts, task=task)
            for process in measured.installation.children(victim):
                process.kill()
            killed = read_counters()
            until(
                lambda killed=killed: min(read_counters()) > min(killed) + 20,
                60,
                f"counts, {victim}",
            )
            measured.endpoint.wait_for_more(restarts, before, task=task)
    for earlier, later in pairwise(seen):
        assert all(was <= now for was, now in zip(earlier, later, strict=True)), (earlier, later)


def test_process_and_event_loop_are_measured(measured: Measured) -> None:
    lag = "sideline_event_loop_lag_seconds"
    measured.endpoint.wait_for_more(f"{lag}_count", measured.endpoint.total(f"{lag}_count") + 2)
    measured.endpoint.wait_for_more(f"{lag}_bucket", 0, le="0.25")
    assert measured.endpoint.total("process_resident_memory_bytes") > 2**20
    assert {"python_info", "python_gc_collections"} <= measured.endpoint.names()


def test_metrics_are_not_on_the_public_port(measured: Measured) -> None:
    keeper = measured.installation.api().headers
    for headers in ({}, dict(keeper)):
        answer = httpx.get(f"{measured.installation.url}/metrics", headers=headers)
        assert answer.status_code == 404
        assert "sideline_" not in answer.text


def test_port_alone_binds_to_loopback_and_ingest_opens_no_port(measured: Measured) -> None:
    serving = psutil.Process(measured.installation.processes[0].pid)
    assert listening_addresses(serving) == {
        ("127.0.0.1", measured.installation.port),
        ("127.0.0.1", measured.endpoint.port),
    }
    (ingest,) = measured.installation.children("manage.py ingest")
    assert listening_addresses(ingest) == set()
    assert "not served" not in measured.installation.logged()


def test_metrics_are_off_by_default(installation: Installation) -> None:
    assert listening_addresses(psutil.Process(installation.processes[0].pid)) == {
        ("127.0.0.1", installation.port)
    }


def test_taken_metrics_port_is_one_warning(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with installed(folder, SIDELINE_METRICS=f"127.0.0.1:{port}") as installation:
            installation.serve()
            until(lambda: "not served" in installation.logged(), 60, "the warning")
            scenario = create_scenario(installation, "taken")
            with watching(installation, scenario.key) as seed:
                next_frame(seed, 60)
            (line,) = [line for line in installation.logged().splitlines() if "not served" in line]
            assert f"port {port} of 127.0.0.1" in line
            assert "Traceback" not in installation.logged()


@pytest.mark.timing
def test_open_scraper_connection_does_not_delay_shutdown(folder: Path) -> None:
    endpoint = MetricsEndpoint(free_port())
    with installed(folder, SIDELINE_METRICS=str(endpoint.port), SIDELINE_DEMO="0") as installation:
        process = installation.serve()
        until(endpoint.is_served, 60, "the metrics")
        with socket.create_connection(("127.0.0.1", endpoint.port)):
            began = time.monotonic()
            process.terminate()
            process.wait(10)
            assert time.monotonic() - began <= SHUTDOWN_S
        assert "Traceback" not in installation.logged()


@pytest.mark.timing
def test_with_redis_web_and_ingest_serve_separate_metrics(tmp_path: Path, folder: Path) -> None:
    web, ingest = MetricsEndpoint(free_port()), MetricsEndpoint(free_port())
    with (
        RedisServer(tmp_path) as redis,
        installed(folder, REDIS_URL=redis.url, SIDELINE_METRICS=str(web.port)) as installation,
    ):
        installation.serve()
        until(web.is_served, 60, "the web process's metrics")
        shared = installation.spawn("ingest")  # with the web process's address, which is taken
        until(lambda: "not served" in installation.logged(), 60, "the warning")
        installation.environment["SIDELINE_METRICS"] = f"127.0.0.1:{ingest.port}"
        reader = installation.spawn("ingest")
        until(ingest.is_served, 60, "the metrics of ingest")
        assert shared.poll() is None, "it continues without metrics"
        shared.terminate()
        scenario = create_scenario(installation, "apart")
        with watching(installation, scenario.key) as seed:
            next_frame(seed, 60)
            web.wait_for_more("sideline_frames_delivered_total", 0)
            for name in (*COUNTERS, "sideline_event_loop_lag_seconds_count"):
                ingest.wait_for_more(name, 0)
        ours = {"sideline_viewers", "sideline_frames_captured"}
        assert ours & web.names() == {"sideline_viewers"}
        assert ours & ingest.names() == {"sideline_frames_captured"}
        began = time.monotonic()
        reader.terminate()
        reader.wait(10)
        assert time.monotonic() - began <= SHUTDOWN_S
        assert "Traceback" not in installation.logged()


async def test_blocked_loop_keeps_the_last_metrics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_frames(camera_id: str, width: int) -> AsyncGenerator[Frame | Status, None]:
        await asyncio.Event().wait()
        yield Status("live", 0)

    hub = Hub(no_frames, PreparedFrame)
    collector = metrics.HubCollector(hub)
    viewer = hub.join("gate", lambda feed: Viewer(feed, Variant()))
    read = [family.samples for family in await asyncio.to_thread(lambda: [*collector.collect()])]
    assert any(sample.name == "sideline_viewers" for samples in read for sample in samples)
    monkeypatch.setattr(metrics, "TIMEOUT_S", 0.05)
    viewer.leave()
    assert [
        family.samples for family in collector.collect()
    ] == read  # on the event loop's own thread
    await hub.close()


def test_counts_of_a_restarted_worker_are_added() -> None:
    totals = Totals()
    for captured in (0, 5, 8, 2, 3, 0, 0, 4):
        totals.add({"camera": "gate", "state": "live", "last_frame": 1, "captured": captured})
    totals.add({"camera": "gate", "state": "offline", "last_frame": None})
    assert totals.by_camera("captured") == [("gate", 8 + 3 + 4)]
    assert totals.by_camera("encodes") == []
