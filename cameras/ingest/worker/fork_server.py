"""The fork server: `python -m cameras.ingest.worker.fork_server FD PADDING`.

It imports what a camera's process needs, once, and each camera's process is a fork of it: that
takes milliseconds instead of half a second of CPU, and all share the memory of the libraries.

FD is an inherited end of a Unix socket pair of type SEQPACKET. A request is one message: the name
of an entry point and a name for the process, in JSON, with two descriptors: the process's end of
its link, and a SEQPACKET socket for reports. To that one the server sends the pid with a
descriptor of the process (pidfd), or minus an error number; later the exit status, negative for a
signal. Each is one `int`.

The server has one thread, because other threads do not survive a fork and may leave locks behind.
It ends when FD is closed or when the thread that started it ends; the processes that it started go
on without it. PADDING is a word as long as the names will be: see `set_command_line`.

`multiprocessing`'s own fork server is not used: it inherits the whole environment, secrets
included, starts a second process that tracks resources, imports the main module again in each
fork, and signals a process by a number that may already belong to another one.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from cameras.ingest.fork_client import REPORT
from cameras.ingest.worker import main as camera

# The main function of each kind of process; it is given the descriptor of the link.
ENTRY_POINTS: dict[str, Callable[[int], NoReturn]] = {"camera": camera.main}
MAX_REQUEST = 4096  # bytes
PR_SET_PDEATHSIG = 1


class ForkServer:
    """Forks processes on request and reports how they end.

    Bound: two descriptors for each process that runs, and no queue but the socket's own.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._running: dict[int, tuple[int, socket.socket]] = {}  # pidfd: pid, socket for reports
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)

    def run(self) -> None:
        """Serve until the connection is closed."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._running:
                    self._reap(descriptor)
                elif not self._serve_one():
                    return

    def _serve_one(self) -> bool:
        """Handle a request; False at the end of the connection."""
        request, descriptors, _, _ = socket.recv_fds(
            self._requests, MAX_REQUEST, 2, socket.MSG_CMSG_CLOEXEC
        )
        try:
            if len(descriptors) == 2:  # fewer came if this process has no descriptor left
                kind, name = json.loads(request)
                self._fork(kind, name, descriptors[0], socket.socket(fileno=descriptors.pop()))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return bool(request)

    def _fork(self, kind: str, name: str, link: int, reports: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            return _refuse(reports, error)
        if pid == 0:
            reports.close()
            self._become(kind, name, link)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return _refuse(reports, error)
        self._running[pidfd] = pid, reports
        self._poll.register(pidfd, select.POLLIN)
        _report(reports, pid, pidfd)

    def _reap(self, pidfd: int) -> None:
        pid, reports = self._running.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        _report(reports, os.waitstatus_to_exitcode(status))
        reports.close()

    def _become(self, kind: str, name: str, link: int) -> NoReturn:
        """Let this fork be a process of its own. `random` seeds itself anew after a fork."""
        try:
            entry_point = ENTRY_POINTS[kind]
            os.setpgid(0, 0)  # Ctrl-C reaches only the supervisor, which ends this process
            self._requests.close()
            for pidfd, (_, reports) in self._running.items():
                os.close(pidfd)
                reports.close()
            set_command_line([*sys.orig_argv[:1], "-m", entry_point.__module__, name])
            Path("/proc/self/comm").write_text(f"{kind} {name}"[:15])  # as the OOM killer names it
            entry_point(link)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(os.EX_SOFTWARE)


def _report(reports: socket.socket, number: int, *descriptors: int) -> None:
    with suppress(OSError):  # nobody waits for it any more
        socket.send_fds(reports, [REPORT.pack(number)], descriptors)


def _refuse(reports: socket.socket, error: OSError) -> None:
    _report(reports, -(error.errno or errno.EAGAIN))
    reports.close()


def set_command_line(words: Sequence[str]) -> None:
    """Replace what process lists show of this process, as far as the old command line has room.

    The kernel shows the memory where the arguments were at the start.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
    if start < end:  # both are 0 where the kernel hides them
        line = b"".join(word.encode() + b"\0" for word in words)
        ctypes.memmove(start, line[: end - start - 1].ljust(end - start, b"\0"), end - start)


def main(fd: int) -> None:
    """Serve the connection until it closes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it may be stopped then
    set_command_line(sys.orig_argv[:-1])
    gc.collect()
    gc.freeze()  # otherwise each fork's collector would copy the memory that it looks at
    ForkServer(socket.socket(fileno=fd)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
