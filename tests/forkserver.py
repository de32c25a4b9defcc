"""Runs management commands as forks of a process that has imported the libraries.

A new interpreter needs 1.2 s of CPU for the imports of `manage.py`, a fork 0.2 s. Neither the
product nor settings are loaded before the fork, so a command behaves as in a new process. Tests of
the start itself use a new process (`Installation.spawn` with `new`).

The server is a single-threaded child of the process that uses it, and ends with it. Each request is
one message with two descriptors: the command's output, and a pipe to which the server writes the
command's pid and later its exit status.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from functools import cache

from tests import ROOT
from tests.processes import adopt_orphans, die_with_parent, killed_with_parent

# All can be imported without settings, and none installs Twisted's reactor.
PRELOADED = (
    "argon2", "autobahn.twisted.websocket", "channels.auth", "channels.generic.websocket",
    "channels.layers", "channels.routing", "channels.security.websocket", "channels_redis.core",
    "channels_redis.pubsub", "corsheaders.middleware", "cryptography.fernet",
    "cryptography.x509", "csp.middleware", "django.contrib.admin.options",
    "django.contrib.staticfiles.handlers", "django.core.handlers.asgi", "django.core.mail",
    "django.core.management.commands.check", "django.core.management.commands.migrate",
    "django.core.management.commands.shell", "django.core.servers.basehttp",
    "django.db.backends.postgresql.base", "django.db.backends.sqlite3.base",
    "django.db.migrations.executor", "django.db.models", "django.forms",
    "django.template.loader_tags", "django.template.defaulttags", "django.test.client",
    "django.views.debug", "django.views.generic", "django_stubs_ext", "dj_database_url",
    "drf_spectacular.drainage", "drf_spectacular.types", "hiredis", "httpx", "inflection",
    "jsonschema", "markdown_it", "nh3", "OpenSSL", "prometheus_client", "psutil", "psycopg_pool",
    "pybase64", "redis.asyncio", "requests", "rest_framework.serializers",
    "rest_framework.exceptions", "rich", "segno", "service_identity", "sqlparse",
    "twisted.internet.endpoints", "twisted.web.http", "uritemplate", "whitenoise.middleware",
    "yaml",
)  # fmt: skip


class Fork:
    """A command that runs as a fork, with the part of `subprocess.Popen` that the suite uses."""

    def __init__(self, name: str, status: int) -> None:
        self.returncode: int | None = None
        self._name, self._status = name, status
        self.pid = self._read()

    def _read(self) -> int:
        data = os.read(self._status, 4)
        if len(data) < 4:
            raise RuntimeError(f"the fork server ended while it ran: {self._name}")
        return int(struct.unpack("i", data)[0])

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, or minus the number of the signal that ended it."""
        if self.returncode is None:
            poll = select.poll()  # select() does not support descriptors above 1023
            poll.register(self._status, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self._name, timeout or 0)
            self.returncode = self._read()
            os.close(self._status)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """Send a signal, if the command has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(arguments: list[str], environment: Mapping[str, str], output: int) -> Fork:
    """Run `manage.py` with these arguments in a new session, with its output to a descriptor."""
    reading, writing = os.pipe()
    request = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
    try:
        socket.send_fds(_server(), [request], [output, writing])
    finally:
        os.close(writing)
    return Fork("manage.py " + " ".join(arguments), reading)


@cache
def _server() -> socket.socket:
    """Return the connection to this process's fork server. Started on the first call."""
    assert threading.current_thread() is threading.main_thread()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)  # scripts are long
    with theirs:
        process = subprocess.Popen(
            killed_with_parent(sys.executable, "-m", "tests.forkserver", str(theirs.fileno())),
            cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


class _Server:
    """Forks commands on request, and reaps them and their orphans."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._running: dict[int, int] = {}  # pid: descriptor that its exit status goes to
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)

    def run(self) -> list[str] | None:
        """Serve until the connection is closed, then return None.

        In a fork: return the arguments of its command.
        """
        while True:
            readable, _, _ = select.select([self._connection, self._woken], [], [])
            if self._woken in readable:
                self._woken.recv(4096)
                self._reap()
            if self._connection in readable:
                request, descriptors, _, _ = socket.recv_fds(self._connection, 1 << 20, 2)
                if not request:
                    return None
                output, status = descriptors
                parent = os.getpid()
                pid = os.fork()
                if pid == 0:
                    self._become(json.loads(request), output, parent)
                    return ["manage.py", *json.loads(request)["arguments"]]
                os.close(output)
                os.write(status, struct.pack("i", pid))
                self._running[pid] = status

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                status = self._running.pop(ended[0], None)
                if status is not None:
                    with contextlib.suppress(BrokenPipeError):
                        os.write(status, struct.pack("i", os.waitstatus_to_exitcode(ended[1])))
                    os.close(status)

    def _become(self, request: dict[str, object], output: int, parent: int) -> None:
        """Make the fork like a new process of the command."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        die_with_parent(parent)
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        for end in (self._connection, self._woken, self._wake):
            end.detach()  # otherwise its destructor would close a reused descriptor
        os.closerange(3, 4096)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[arg-type]


def preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)


def main(descriptor: int) -> list[str] | None:
    adopt_orphans()
    preload()
    assert threading.active_count() == 1, "threads do not survive a fork"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    gc.freeze()  # otherwise the collector of every fork would copy the memory that it scans
    return _Server(socket.socket(fileno=descriptor)).run()


def become(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    sys.argv = arguments
    try:
        runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
        return 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def _leave() -> None:
    """End a fork without finalizing the preloaded modules: that would copy their memory."""
    if _status is not None:
        os._exit(_status)


_status: int | None = None

if __name__ == "__main__":
    atexit.register(_leave)  # before any other handler, so it is called after all of them
    gc.disable()
    command = main(int(sys.argv[1]))
    gc.enable()
    if command is not None:
        _status = become(command)
