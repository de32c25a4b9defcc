"""The fork server: what its processes are, how they end, and what happens when it ends itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from cameras.ingest import fork_client
from cameras.ingest.fork_client import UNKNOWN_STATUS, ForkClient, ForkedProcess
from cameras.ingest.links import LinkLost, SocketLink
from project.child_processes import MEMORY
from tests import ROOT
from tests.processes import command_line, still_running
from tests.waiting import until_async

CAMERA = "0a1b2c3d-0000-4000-8000-000000000001"
ENDS = (  # a fork server whose processes end in the way that their name says
    "import os, sys, random\n"
    "from cameras.ingest.worker import fork_server\n"
    "def end(fd):\n"
    "    how = open('/proc/self/cmdline').read().split('\\0')[3]\n"
    "    if how == 'random':\n"
    "        os._exit(random.randrange(200))\n"
    "    if how == 'raise':\n"
    "        raise RuntimeError('a fault of ours')\n"
    "    os.kill(os.getpid(), int(how)) if int(how) > 0 else os._exit(-int(how))\n"
    "fork_server.ENTRY_POINTS = {'camera': end}\n"
    "fork_server.main(int(sys.argv[1]))\n"
)


@pytest.fixture
async def forks() -> AsyncIterator[ForkClient]:
    client = ForkClient()
    yield client
    await client.close()


async def first_packet(link: SocketLink) -> str:
    """Wait until the process has begun; return the type of what it sends first."""
    async with asyncio.timeout(60):
        header, _ = await anext(link.receive())
    return str(header["type"])


async def end_by_link(process: ForkedProcess, link: SocketLink) -> None:
    link.close()
    async with asyncio.timeout(60):
        assert await process.wait() == 0


def open_files(pid: int) -> list[str]:
    return [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_camera_is_a_process_of_its_own(forks: ForkClient) -> None:
    process, link = await forks.start("camera", CAMERA)
    assert await first_packet(link) == "loaded"
    other, other_link = await forks.start("camera", "c")
    assert await first_packet(other_link) == "loaded"
    seen = psutil.Process(process.pid)
    assert f"cameras.ingest.worker.main {CAMERA}" in command_line(seen)
    assert seen.name() == "camera 0a1b2c3d"
    assert seen.ppid() == forks.pid
    assert os.getpgid(process.pid) == process.pid
    assert seen.rlimit(psutil.RLIMIT_AS) == (MEMORY, MEMORY)
    assert seen.memory_info().vms < MEMORY / 4
    files = open_files(other.pid)
    assert sum(name.startswith("socket") for name in files) == 1, "its own link"
    assert not [name for name in files if "pidfd" in name]
    await end_by_link(process, link)
    await end_by_link(other, other_link)


async def test_fork_server_has_one_thread_and_a_readable_name(forks: ForkClient) -> None:
    """Threads would not survive the fork, and could hold locks for ever."""
    process, link = await forks.start("camera", "c")
    assert await first_packet(link) == "loaded"
    assert forks.pid is not None
    server = psutil.Process(forks.pid)
    assert server.num_threads() == 1
    assert (
        command_line(server)
        .strip()
        .rpartition(" ")[0]
        .endswith("-m cameras.ingest.worker.fork_server")
    )
    await end_by_link(process, link)


async def test_every_end_of_a_process_is_reported(
    forks: ForkClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_client, "COMMAND", ("-c", ENDS))
    ends = {
        "-0": 0,
        str(-os.EX_TEMPFAIL): os.EX_TEMPFAIL,
        str(int(signal.SIGSEGV)): -signal.SIGSEGV,
        str(int(signal.SIGTERM)): -signal.SIGTERM,
        "raise": os.EX_SOFTWARE,
    }
    for how, status in ends.items():
        process, link = await forks.start("camera", how)
        async with asyncio.timeout(60):
            assert await process.wait() == status
        assert process.returncode == status
        process.kill()  # without effect
        link.close()


async def test_processes_draw_different_random_numbers(
    forks: ForkClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise all cameras of a recorder that restarts would come back in the same moment."""
    monkeypatch.setattr(fork_client, "COMMAND", ("-c", ENDS))
    drawn = []
    for _ in range(5):
        process, link = await forks.start("camera", "random")
        drawn.append(await process.wait())
        link.close()
    assert len(set(drawn)) > 1


async def test_crash_of_one_camera_leaves_the_others(forks: ForkClient) -> None:
    victim, its_link = await forks.start("camera", "a")
    other, link = await forks.start("camera", "b")
    for each in (its_link, link):
        assert await first_packet(each) == "loaded"
    os.kill(victim.pid, signal.SIGSEGV)
    async with asyncio.timeout(60):
        assert await victim.wait() == -signal.SIGSEGV
    with pytest.raises(LinkLost):
        await first_packet(its_link)
    its_link.close()
    assert other.returncode is None
    await end_by_link(other, link)


async def test_cameras_outlive_the_fork_server_and_the_next_start_makes_another(
    forks: ForkClient, caplog: pytest.LogCaptureFixture
) -> None:
    process, link = await forks.start("camera", "a")
    assert await first_packet(link) == "loaded"
    former = forks.pid
    assert former is not None
    os.kill(former, signal.SIGKILL)
    await until_async(lambda: still_running([psutil.Process(former)]) == [])
    other, other_link = await forks.start("camera", "b")
    assert await first_packet(other_link) == "loaded"
    assert forks.pid not in (None, former)
    assert "the fork server ended (-9); starting another" in caplog.text
    assert process.returncode is None
    process.kill()
    async with asyncio.timeout(60):
        assert await process.wait() == UNKNOWN_STATUS
    link.close()
    await end_by_link(other, other_link)


async def test_stuck_fork_server_is_replaced(
    forks: ForkClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, link = await forks.start("camera", "a")
    assert await first_packet(link) == "loaded"
    assert forks.pid is not None
    os.kill(forks.pid, signal.SIGSTOP)
    monkeypatch.setattr(fork_client, "REPLY_S", 0.05)
    with pytest.raises(OSError, match="the fork server failed: TimeoutError"):
        await forks.start("camera", "b")
    assert forks.pid is None
    other, other_link = await forks.start("camera", "b")
    assert await first_packet(other_link) == "loaded"
    link.close()
    assert await process.wait() == UNKNOWN_STATUS
    await end_by_link(other, other_link)


async def test_fork_server_that_cannot_load_is_an_error_and_leaks_nothing(
    forks: ForkClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    monkeypatch.setattr(fork_client, "COMMAND", ("-c", "raise SystemExit(3)"))
    for _ in range(3):
        with pytest.raises(OSError, match="the fork server failed"):
            await forks.start("camera", "a")
    await asyncio.sleep(0)
    assert descriptors() == before


async def test_refused_fork_is_an_error_and_the_fork_server_goes_on(
    forks: ForkClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses = (
        "import os, sys, errno\n"
        "from cameras.ingest.worker import fork_server\n"
        "real = os.fork\n"
        "def fork():\n"
        "    os.fork = real\n"
        "    raise BlockingIOError(errno.EAGAIN, 'no process left')\n"
        "os.fork = fork\n"
        "fork_server.main(int(sys.argv[1]))\n"
    )
    monkeypatch.setattr(fork_client, "COMMAND", ("-c", refuses))
    with pytest.raises(BlockingIOError):
        await forks.start("camera", "a")
    server = forks.pid
    process, link = await forks.start("camera", "a")
    assert await first_packet(link) == "loaded"
    assert forks.pid == server
    await end_by_link(process, link)


async def test_start_that_is_cancelled_leaves_no_process(forks: ForkClient) -> None:
    process, link = await forks.start("camera", "a")
    assert forks.pid is not None
    server = psutil.Process(forks.pid)
    server.suspend()
    starting = asyncio.create_task(forks.start("camera", "b"))
    await until_async(lambda: forks._lock.locked())
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    server.resume()
    await until_async(lambda: [one.pid for one in server.children()] == [process.pid])
    await end_by_link(process, link)


async def test_descriptors_are_closed_when_processes_end(forks: ForkClient) -> None:
    first, link = await forks.start("camera", "a")
    assert await first_packet(link) == "loaded"
    assert forks.pid is not None
    server = psutil.Process(forks.pid)
    # It may not have closed its end of the first link yet: one more than it will have, at most.
    ours, theirs = descriptors(), server.num_fds()
    for _ in range(5):
        process, its_link = await forks.start("camera", "b")
        assert await first_packet(its_link) == "loaded"
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        its_link.close()
    await until_async(lambda: descriptors() <= ours and server.num_fds() <= theirs)
    await end_by_link(first, link)


async def test_fork_server_and_its_processes_end_with_their_supervisor() -> None:
    """Nobody tells them; their sockets close."""
    script = (
        "import asyncio\n"
        "from cameras.ingest.fork_client import ForkClient\n"
        "async def main():\n"
        "    forks = ForkClient()\n"
        "    process, link = await forks.start('camera', 'a')\n"
        "    print(forks.pid, process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert supervisor.stdout is not None
    async with asyncio.timeout(60):
        pids = (await supervisor.stdout.readline()).split()
    both = [psutil.Process(int(pid)) for pid in pids]
    assert len(both) == 2
    supervisor.kill()
    await supervisor.wait()
    await until_async(lambda: still_running(both) == [], 60)
