"""Figures for Prometheus: where they are served and where not, and that they tell what happens."""

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
from prometheus_client.parser import text_string_to_metric_families

from cameras.ingest.metrics import Totals
from cameras.live import metrics
from cameras.live.formats import PreparedFrame
from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.variants import Variant
from tests.installation import Installation, installed
from tests.people import Cast, assemble
from tests.redis import RedisServer
from tests.sockets import acknowledged, frame, watching
from tests.waiting import free_port, until

COUNTED = tuple(
    f"sideline_{name}_total" for name in ("frames_captured", "frames_published", "encodes")
)
BOUND_S = 3.0  # for ending


@dataclass(frozen=True, slots=True)
class Figures:
    """What is served on a port of this machine."""

    port: int

    def served(self) -> bool:
        """True where somebody listens."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def names(self) -> set[str]:
        """Of all families."""
        return {family.name for family in text_string_to_metric_families(self._text())}

    def of(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self._text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def await_more(self, name: str, than: float, **labels: str) -> None:
        """Until that sum is larger."""
        until(lambda: self.of(name, **labels) > than, 60, name)

    def _text(self) -> str:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics")
        assert answer.status_code == 200, answer.text
        return answer.text


@dataclass(frozen=True, slots=True)
class Measured:
    """An installation with figures."""

    installation: Installation
    cast: Cast
    figures: Figures


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    figures = Figures(free_port())
    folder = tmp_path_factory.mktemp("measured")
    with installed(folder, SIDELINE_METRICS=str(figures.port)) as installation:
        installation.serve()
        until(figures.served, 60, "the figures")
        yield Measured(installation, assemble(installation, "measured"), figures)


def heard(process: psutil.Process) -> set[tuple[str, int]]:
    """The addresses that a process listens on."""
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_figures_move_while_somebody_watches_and_viewers_are_gone_when_they_left(
    measured: Measured,
) -> None:
    plaza, figures = measured.cast.plaza, measured.figures
    bearer = measured.cast["viewer"].bearer

    def here(kind: str) -> float:
        return figures.of("sideline_viewers", camera=plaza, viewer=kind)

    def delivered(kind: str) -> float:
        return figures.of("sideline_frames_delivered_total", camera=plaza, viewer=kind)

    with (
        watching(measured.installation, measured.cast.key) as seed,
        watching(measured.installation, plaza, headers=bearer, v1=True) as v1,
    ):
        for _ in range(10):
            frame(seed, 60)
            acknowledged(v1, 60)
        assert (here("seed"), here("v1")) == (1, 1)
        before = delivered("seed"), delivered("v1")
        assert min(before) >= 5
        assert figures.of("sideline_frames_received_total", camera=plaza) >= 10
        for name in COUNTED:
            figures.await_more(name, 9, camera=plaza)
        for _ in range(10):
            frame(seed, 60)
    until(lambda: (here("seed"), here("v1")) == (0, 0), 60, "an empty installation")
    assert delivered("seed") >= max(20, before[0])
    assert delivered("v1") >= before[1], "those who left still count"

    ages = "sideline_age_at_delivery_seconds"
    total = figures.of(f"{ages}_count", camera=plaza)
    assert total == figures.of("sideline_frames_delivered_total", camera=plaza)
    assert figures.of(f"{ages}_sum", camera=plaza) > 0
    assert figures.of(f"{ages}_bucket", camera=plaza, le="+Inf") == total


@pytest.mark.timing
def test_ages_are_counted_in_seconds(measured: Measured) -> None:
    with watching(measured.installation, measured.cast.key) as seed:
        for _ in range(10):
            frame(seed)
        ages = "sideline_age_at_delivery_seconds"
        total = measured.figures.of(f"{ages}_count", camera=measured.cast.plaza)
        assert 0 < measured.figures.of(f"{ages}_sum", camera=measured.cast.plaza) < total


def test_frames_that_a_slow_viewer_misses_are_counted(measured: Measured) -> None:
    plaza, bearer = measured.cast.plaza, measured.cast["viewer"].bearer

    def missed() -> float:
        return measured.figures.of("sideline_frames_dropped_total", camera=plaza, viewer="v1")

    before = missed()
    with watching(measured.installation, plaza, headers=bearer, v1=True):  # acknowledges nothing
        until(lambda: missed() >= before + 5, 60, "missed frames")


@pytest.mark.extended
def test_counters_only_rise_when_a_worker_or_all_of_ingest_is_killed(measured: Measured) -> None:
    seen: list[tuple[float, ...]] = []

    def counted() -> tuple[float, ...]:
        seen.append(
            tuple(measured.figures.of(name, camera=measured.cast.plaza) for name in COUNTED)
        )
        return seen[-1]

    with watching(measured.installation, measured.cast.key):
        until(lambda: min(counted()) > 0, 60, "the first counts")
        for victim in ("cameras.ingest.worker.main", "manage.py ingest"):
            for process in measured.installation.children(victim):
                process.kill()
            killed = counted()
            until(lambda killed=killed: min(counted()) > min(killed) + 20, 60, f"counts, {victim}")
    for earlier, later in pairwise(seen):
        assert all(was <= now for was, now in zip(earlier, later, strict=True)), (earlier, later)


def test_process_and_its_loop_are_measured(measured: Measured) -> None:
    lag = "sideline_event_loop_lag_seconds"
    measured.figures.await_more(f"{lag}_count", measured.figures.of(f"{lag}_count") + 2)
    measured.figures.await_more(f"{lag}_bucket", 0, le="0.25")
    assert measured.figures.of("process_resident_memory_bytes") > 2**20
    assert {"python_info", "python_gc_collections"} <= measured.figures.names()


def test_figures_are_not_on_the_public_port(measured: Measured) -> None:
    keeper = measured.installation.api().headers
    for headers in ({}, dict(keeper)):
        answer = httpx.get(f"{measured.installation.url}/metrics", headers=headers)
        assert answer.status_code == 404
        assert "sideline_" not in answer.text


def test_port_alone_is_for_this_machine_and_the_ingest_child_opens_none(measured: Measured) -> None:
    serving = psutil.Process(measured.installation.processes[0].pid)
    assert heard(serving) == {
        ("127.0.0.1", measured.installation.port),
        ("127.0.0.1", measured.figures.port),
    }
    (ingest,) = measured.installation.children("manage.py ingest")
    assert heard(ingest) == set()
    assert "not served" not in measured.installation.logged()


def test_figures_are_off_unless_asked_for(installation: Installation) -> None:
    assert heard(psutil.Process(installation.processes[0].pid)) == {
        ("127.0.0.1", installation.port)
    }


def test_taken_port_is_said_in_one_line_and_survived(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with installed(folder, SIDELINE_METRICS=f"127.0.0.1:{port}") as installation:
            installation.serve()
            until(lambda: "not served" in installation.logged(), 60, "the complaint")
            cast = assemble(installation, "taken")
            with watching(installation, cast.key) as seed:
                frame(seed, 60)
            (line,) = [line for line in installation.logged().splitlines() if "not served" in line]
            assert f"port {port} of 127.0.0.1" in line
            assert "Traceback" not in installation.logged()


@pytest.mark.timing
def test_open_connection_of_a_scraper_does_not_hold_up_the_end(folder: Path) -> None:
    figures = Figures(free_port())
    with installed(folder, SIDELINE_METRICS=str(figures.port), SIDELINE_DEMO="0") as installation:
        process = installation.serve()
        until(figures.served, 60, "the figures")
        with socket.create_connection(("127.0.0.1", figures.port)):
            began = time.monotonic()
            process.terminate()
            process.wait(10)
            assert time.monotonic() - began <= BOUND_S
        assert "Traceback" not in installation.logged()


@pytest.mark.timing
def test_with_redis_web_and_ingest_serve_their_own(tmp_path: Path, folder: Path) -> None:
    web, ingest = Figures(free_port()), Figures(free_port())
    with (
        RedisServer(tmp_path) as redis,
        installed(folder, REDIS_URL=redis.url, SIDELINE_METRICS=str(web.port)) as installation,
    ):
        installation.serve()
        until(web.served, 60, "the web's figures")
        shared = installation.spawn("ingest")  # with the web's address: taken
        until(lambda: "not served" in installation.logged(), 60, "the complaint")
        installation.environment["SIDELINE_METRICS"] = f"127.0.0.1:{ingest.port}"
        reader = installation.spawn("ingest")
        until(ingest.served, 60, "the figures of ingest")
        assert shared.poll() is None, "it goes on without figures"
        shared.terminate()
        cast = assemble(installation, "apart")
        with watching(installation, cast.key) as seed:
            frame(seed, 60)
            web.await_more("sideline_frames_delivered_total", 0)
            for name in (*COUNTED, "sideline_event_loop_lag_seconds_count"):
                ingest.await_more(name, 0)
        ours = {"sideline_viewers", "sideline_frames_captured"}
        assert ours & web.names() == {"sideline_viewers"}
        assert ours & ingest.names() == {"sideline_frames_captured"}
        began = time.monotonic()
        reader.terminate()
        reader.wait(10)
        assert time.monotonic() - began <= BOUND_S
        assert "Traceback" not in installation.logged()


async def test_loop_that_does_not_answer_leaves_the_figures_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(camera_id: str, width: int) -> AsyncGenerator[Frame | Status, None]:
        await asyncio.Event().wait()
        yield Status("live", 0)

    hub = Hub(nothing, PreparedFrame)
    collector = metrics.HubCollector(hub)
    viewer = hub.join("gate", lambda feed: Viewer(feed, Variant()))
    read = [family.samples for family in await asyncio.to_thread(lambda: [*collector.collect()])]
    assert any(sample.name == "sideline_viewers" for samples in read for sample in samples)
    monkeypatch.setattr(metrics, "PATIENCE_S", 0.05)
    viewer.leave()
    assert [family.samples for family in collector.collect()] == read  # here, on the loop's thread
    await hub.close()


def test_counts_of_a_new_worker_are_added_to_those_of_the_one_before() -> None:
    totals = Totals()
    for captured in (0, 5, 8, 2, 3, 0, 0, 4):
        totals.note({"camera": "gate", "captured": captured})
    totals.note({"camera": "gate", "state": "offline"})
    assert totals.of("captured") == [("gate", 8 + 3 + 4)]
    assert totals.of("encodes") == []
