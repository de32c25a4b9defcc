"""The supervisor with real worker processes and a slow or failing database."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest import configurations, fork_client, state_writer, worker_process
from cameras.ingest.custom_models.store import ModelStore
from cameras.ingest.fork_client import ForkClient
from cameras.ingest.state_writer import StateWriter
from cameras.ingest.worker import capture, watchdog
from project.tasks import end
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.supervised import configuration, supervised
from tests.waiting import until_async

HANGS_ONCE = (  # the first process's third picture never comes out of native code
    "import os, sys, time\n"
    "from cameras.ingest.worker import capture, fork_server, watchdog\n"
    "class Hung(capture.Demuxer):\n"
    "    def frames(self):\n"
    "        is_first = not os.path.exists(os.environ['HUNG'])\n"
    "        for number, frame in enumerate(super().frames()):\n"
    "            if is_first and number == 2:\n"
    "                open(os.environ['HUNG'], 'w').write(str(time.time()))\n"
    "                time.sleep(60)\n"
    "            yield frame\n"
    "capture.Demuxer = Hung\n"
    "capture.UNKNOWN_LIMIT = float(os.environ['LIMIT']) - watchdog.STUCK_AFTER\n"
    "fork_server.main(int(sys.argv[1]))\n"
)


async def frames_while_the_database_is_slow(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return arrival times over more than the silence after which a worker counts as stuck."""
    released, called = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> None:
        called.set()
        assert released.wait(30)

    async with supervised(monkeypatch, store_state=slow, store_still=slow) as (supervisor, link):
        try:
            await until_async(lambda: link.times() and called.is_set())
            first = supervisor.workers["c"]
            await until_async(
                lambda: link.times()[-1] - link.times()[0] > worker_process.SILENCE_S + 1, 60
            )
            assert supervisor.workers["c"] is first
            frames = link.times()
            await until_async(lambda: len(link.times("state")) >= 5)
        finally:
            released.set()
        polls = []
        monkeypatch.setattr(
            configurations, "load_configurations", lambda: polls.append(1) or {"c": configuration()}
        )
        await until_async(lambda: len(polls) > 1)
        assert supervisor.workers["c"] is first, "also after the database answers again"
    return frames


async def test_frames_flow_while_the_database_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await frames_while_the_database_is_slow(monkeypatch)


@pytest.mark.timing
async def test_no_frame_is_late_while_the_database_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = await frames_while_the_database_is_slow(monkeypatch)
    assert max(b - a for a, b in pairwise(frames)) < 1


async def test_slow_poll_does_not_count_as_silence_of_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with supervised(monkeypatch) as (supervisor, link):
        await until_async(link.times)
        worker = supervisor.workers["c"]
        monkeypatch.setattr("cameras.ingest.supervisor.SLOW_POLL_S", -1.0)
        polls = [0]

        def poll() -> dict[str, Any]:
            polls[0] += 1
            worker.silence_deadline = time.monotonic() - 1  # as after a pause of the whole machine
            return {"c": configuration()}

        monkeypatch.setattr(configurations, "load_configurations", poll)
        await until_async(lambda: polls[0] > 2)
        assert supervisor.workers["c"] is worker


async def test_only_newest_state_and_still_wait_for_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released, written = threading.Event(), []

    def state(header: dict[str, Any]) -> None:
        assert released.wait(30)
        written.append((header["camera"], header["n"]))

    def still(camera_id: str, fence: int, timestamp: int, jpeg: bytes, mask_version: str) -> None:
        written.append((camera_id, timestamp))

    monkeypatch.setattr(state_writer, "store_state", state)
    monkeypatch.setattr(state_writer, "store_still", still)
    writer = StateWriter(lambda camera_id, fence: None)
    task = asyncio.create_task(writer.run())
    writer.put_state({"camera": "a", "fence": 1, "n": 0})
    await asyncio.sleep(0)  # it is being written
    await asyncio.sleep(0)
    for n in range(1, 100):
        writer.put_state({"camera": "a", "fence": 1, "n": n})
        writer.put_still("a", 1, 1000 + n, b"", "")
        writer.put_state({"camera": "b", "fence": 1, "n": n})
    released.set()
    await until_async(lambda: len(written) == 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert written == [("a", 0), ("a", 99), ("a", 1099), ("b", 99)]


async def test_state_that_cannot_be_stored_delays_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored: list[str] = []

    def store(header: dict[str, Any]) -> None:
        if header["camera"] == "broken":
            raise RuntimeError("a fault of ours")
        stored.append(header["camera"])

    monkeypatch.setattr(state_writer, "store_state", store)
    writer = state_writer.StateWriter(lambda camera, fence: None)
    for camera in ("a", "broken", "b"):
        writer.put_state({"camera": camera, "fence": 1})
    task = asyncio.create_task(writer.run())
    await until_async(lambda: stored == ["a", "b"])
    await end(task)
    assert caplog.text.count("camera broken: its state could not be stored") == 1


async def test_task_ends_although_it_swallowed_a_cancellation() -> None:
    lost = []

    async def swallow_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.append(1)
        await asyncio.Event().wait()

    task = asyncio.create_task(swallow_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await end(task)
    assert lost
    assert task.cancelled()


async def test_worker_that_cannot_start_is_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, refused = ForkClient.start, []

    async def sometimes(client: ForkClient, *what: str) -> Any:
        if len(refused) < 2:
            refused.append(1)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await real(client, *what)

    monkeypatch.setattr(ForkClient, "start", sometimes)
    async with supervised(monkeypatch) as (_, link):
        await until_async(link.times)
    assert caplog.text.count("could not be started") == 2


async def replacement_of_a_stuck_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: float
) -> tuple[float, float]:
    """Return the seconds from the hang to the replacement, and to the next picture."""
    monkeypatch.setenv("HUNG", str(tmp_path / "hung"))
    monkeypatch.setenv("LIMIT", str(limit))
    monkeypatch.setattr(fork_client, "COMMAND", ("-c", HANGS_ONCE))
    monkeypatch.setattr(fork_client, "bare_environment", lambda: dict(os.environ))
    async with supervised(monkeypatch) as (supervisor, link):
        await until_async((tmp_path / "hung").exists)
        first = supervisor.workers["c"]
        await until_async(lambda: supervisor.workers["c"] is not first)
        replaced = time.time()
        assert supervisor.workers["c"].attempt == 1
        await until_async(lambda: link.times() and link.times()[-1] > replaced)
        hung = float((tmp_path / "hung").read_text())
        again = next(at for at in link.times() if at > replaced)
    return replaced - hung, again - hung


async def test_worker_stuck_in_native_code_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replaced, again = await replacement_of_a_stuck_worker(monkeypatch, tmp_path, 1.0)
    assert 1.0 <= replaced < again


@pytest.mark.timing
async def test_stuck_worker_is_replaced_within_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a limit of one second; the rest of the real limit is added to the measured time."""
    limit = 1.0
    replaced, again = await replacement_of_a_stuck_worker(monkeypatch, tmp_path, limit)
    real = capture.FROZEN_LIMIT + watchdog.STUCK_AFTER
    assert replaced - limit + real < 10
    assert again - limit + real < 12, "pictures resume at once"


async def frames_after_a_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """Return arrival times of frames while a custom model crashes on every picture.

    The model is disabled; the worker goes on with the built-in detector.
    """
    dies = (
        "import sys, os, signal\n"
        "from multiprocessing.connection import Connection\n"
        "link = Connection(int(sys.argv[-1]))\n"
        "request, model = link.recv_bytes(), link.recv_bytes()\n"
        "link.send_bytes(b'{}')\n"
        "picture = link.recv_bytes()\n"
        "os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    command = (
        "-c",
        "import sys\n"
        "from cameras.ingest.custom_models import process\n"
        "from cameras.ingest.worker import follower, fork_server\n"
        f"process.COMMAND, follower.RETRY_S = ('-c', {dies!r}), 0.3\n"
        "fork_server.main(int(sys.argv[1]))\n",
    )
    monkeypatch.setattr(fork_client, "COMMAND", command)
    data = onnx_models.finder()
    sha256 = hashlib.sha256(data).hexdigest()
    path = ModelStore(tmp_path).put(sha256, lambda: data)
    custom_model = {
        "id": "custom", "sha256": sha256, "path": str(path),
        "labels": onnx_models.LABELS, "colours": "rgb", "scale": "unit",
        "width": onnx_models.WIDTH, "height": onnx_models.HEIGHT,
    }  # fmt: skip
    disabled: list[tuple[str, str]] = []

    def configured() -> dict[str, Any]:
        return {
            "c": configuration() | {"detect": True, "model": None if disabled else custom_model}
        }

    def disable(*arguments: str) -> None:
        disabled.append(arguments)  # type: ignore[arg-type]

    async with supervised(monkeypatch, disable_model=disable) as (supervisor, link):
        monkeypatch.setattr(configurations, "load_configurations", configured)
        await until_async(lambda: disabled)
        worker = supervisor.workers["c"]
        model, sentence = disabled[0]
        assert (model, "SIGSEGV" in sentence) == ("custom", True)
        since = time.time()
        await until_async(lambda: worker.config["model"] is None)
        await until_async(
            lambda: any(
                one["class"] == "person"
                for at, h in link.packets
                if h["type"] == "frame" and at > since - 1
                for one in h["detections"]
            )
        )
        await until_async(lambda: link.times()[-1] > since + 2)
        assert supervisor.workers["c"] is worker, "the worker was not replaced"
        return [at for at in link.times() if at > since - 1]


async def test_crashing_model_is_disabled_while_pictures_flow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert await frames_after_a_crash(monkeypatch, tmp_path)


@pytest.mark.timing
async def test_no_picture_is_missing_while_a_model_crashes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frames = await frames_after_a_crash(monkeypatch, tmp_path)
    assert max(b - a for a, b in pairwise(frames)) < 1
