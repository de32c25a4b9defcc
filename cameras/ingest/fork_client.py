"""The fork server as its supervisor sees it: started on first need, asked for processes.

`worker/fork_server.py` is the other side, and says what goes over the sockets.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from cameras.ingest.links import SocketLink
from project.child_processes import bare_environment

log = logging.getLogger(__name__)

COMMAND = ("-m", "cameras.ingest.worker.fork_server")
PADDING = "-" * 40  # room for a camera's id in the command line of its process
ROOT = Path(__file__).resolve().parents[2]
LOAD_S = 30.0  # the libraries may come from a slow disk
REPLY_S = 5.0  # a loaded server that does not answer for this long is stuck
STATUS_S = 1.0  # the report of a process that has ended
UNKNOWN_STATUS = 255  # the fork server ended before the process did
REPORT = struct.Struct("i")  # pid, minus an error number, or exit status


class ForkedProcess:
    """A process that the fork server started. Used from one event loop.

    Owns the task that waits for its end, which closes the descriptors.
    """

    def __init__(self, pid: int, pidfd: int, reports: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._pidfd, self._reports = pidfd, reports
        self._ended = asyncio.create_task(self._watch(), name=f"end of process {pid}")

    def kill(self) -> None:
        """Send SIGKILL, if it has not ended."""
        if not self._ended.done():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def wait(self) -> int:
        """Return the exit status, negative for a signal; `UNKNOWN_STATUS` if nobody knows it."""
        return await asyncio.shield(self._ended)

    async def _watch(self) -> int:
        try:
            await _readable(self._pidfd)
            self.returncode = await self._read_status()
            return self.returncode
        finally:
            os.close(self._pidfd)
            self._reports.close()

    async def _read_status(self) -> int:
        with suppress(TimeoutError):
            async with asyncio.timeout(STATUS_S):
                await _readable(self._reports.fileno())
            if report := self._reports.recv(REPORT.size):
                return int(REPORT.unpack(report)[0])
        return UNKNOWN_STATUS


class ForkClient:
    """Owns the fork server. Processes go on when it ends; the next start makes another.

    Bound: one request at a time, the others wait for it.
    """

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._is_loaded = False
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The fork server's process; None before the first start and after `close`."""
        return None if self._server is None else self._server.pid

    async def start(self, kind: str, name: str) -> tuple[ForkedProcess, SocketLink]:
        """Start a process of this kind, named so in process lists, and return its link.

        Raises `OSError` if the machine has no process or descriptor left, or the fork server fails.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            link = await SocketLink.from_socket(ours)
            try:
                async with self._lock:
                    return await self._request(kind, name, theirs), link
            except BaseException:
                link.close()
                raise

    async def _request(self, kind: str, name: str, end: socket.socket) -> ForkedProcess:
        if self._server is not None and self._server.poll() is not None:
            log.warning("the fork server ended (%s); starting another", self._server.returncode)
            await self.close()
        requests = self._requests or self._launch()
        reports, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(
                    requests, [json.dumps([kind, name]).encode()], [end.fileno(), theirs.fileno()]
                )
            async with asyncio.timeout(REPLY_S if self._is_loaded else LOAD_S):
                await _readable(reports.fileno())
            reply, descriptors, _, _ = socket.recv_fds(
                reports, REPORT.size, 1, socket.MSG_CMSG_CLOEXEC
            )
            if not reply:
                raise ConnectionError("the fork server ended")
        except OSError as error:  # also TimeoutError: it is stuck
            reports.close()
            await self.close()
            raise OSError(f"the fork server failed: {error!r}") from error
        except BaseException:
            reports.close()
            raise
        self._is_loaded = True
        (number,) = REPORT.unpack(reply)
        if not descriptors:  # refused, or this process has no descriptor left
            reports.close()
            code = -number if number < 0 else errno.EMFILE
            raise OSError(code, os.strerror(code))
        return ForkedProcess(number, descriptors[0], reports)

    def _launch(self) -> socket.socket:
        requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._server = subprocess.Popen(  # nosec B603  # a fixed list of arguments
                    [sys.executable, *COMMAND, str(theirs.fileno()), PADDING],
                    cwd=ROOT,
                    pass_fds=(theirs.fileno(),),
                    env=bare_environment(),
                    stdin=subprocess.DEVNULL,
                    process_group=0,  # Ctrl-C reaches only the supervisor, which ends this process
                )
        except BaseException:
            requests.close()
            raise
        requests.setblocking(False)
        self._requests, self._is_loaded = requests, False
        return requests

    async def close(self) -> None:
        """End the fork server. Processes that it started go on; who started them ends them."""
        server, self._server = self._server, None
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()
        if server is not None:
            server.kill()
            await asyncio.to_thread(server.wait)


async def _readable(descriptor: int) -> None:
    """Wait until a descriptor can be read. One task at a time."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
