"""Real installations for tests: data folder, database and `manage.py` processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from tests import ROOT
from tests.forkserver import Fork, fork
from tests.prepared import DATABASE, KEEPER, first_rows, static_files, tables, without_settings
from tests.processes import command_line, killed_with_parent
from tests.waiting import free_port, until
from tests.with_postgres import EMPTY, FIRST_ROWS, TABLES, copy_database, fill, is_empty

Process = subprocess.Popen[bytes] | Fork


class Installation:
    """A data folder and the processes that use it. `environment` adds environment variables."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **without_settings(),
            "SIDELINE_DATA_DIR": str(folder),
            "SIDELINE_PORT": str(self.port),
            "SIDELINE_ALLOW_LOOPBACK_SOURCES": "1",
            "SIDELINE_ADMIN_USERNAME": KEEPER["username"],
            "SIDELINE_ADMIN_PASSWORD": KEEPER["password"],
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        if os.environ.get("DATABASE_URL"):
            name = f"installation_{uuid.uuid4().hex}"
            self.environment["DATABASE_URL"] = copy_database(
                os.environ["DATABASE_URL"], name, EMPTY
            )
        if not (folder / "static").exists():
            (folder / "static").symlink_to(static_files(), target_is_directory=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: list[Process] = []
        self.log = folder / "log.txt"
        self.token = ""

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command and return its output. With `check`, fail on an error status."""
        with tempfile.TemporaryFile() as output:
            command = fork([*arguments], self.environment, output.fileno())
            try:
                status = command.wait(100)
            except subprocess.TimeoutExpired:
                command.kill()
                command.wait()
                raise
            output.seek(0)
            text = output.read().decode()
        if check and status:
            raise AssertionError(text)
        return text

    def spawn(self, *arguments: str, new: bool = False) -> Process:
        """Start a management command in the background, in its own process group.

        `new` starts a new interpreter, as a user does; the default is a fork of a process that has
        already imported the libraries.
        """
        process: Process
        with self.log.open("ab") as log:
            if new:
                process = subprocess.Popen(
                    killed_with_parent(sys.executable, "manage.py", *arguments),
                    cwd=ROOT, env=self.environment, stdout=log, stderr=log,
                    stdin=subprocess.DEVNULL, start_new_session=True,
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                )  # fmt: skip
            else:
                process = fork([*arguments], self.environment, log.fileno())
        self.processes.append(process)
        return process

    def prepare(self, with_rows: bool = True) -> None:
        """Fill an empty database with tables, and with the rows of a first start."""
        if not self.is_empty():
            return
        if url := self.environment.get("DATABASE_URL"):
            fill(url, FIRST_ROWS if with_rows else TABLES)
        else:
            shutil.copy(first_rows() if with_rows else tables(), self.folder / DATABASE)

    def is_empty(self) -> bool:
        """True if the database has no tables yet."""
        if url := self.environment.get("DATABASE_URL"):
            return is_empty(url)
        return not (self.folder / DATABASE).exists()

    def serve(self, new: bool = False) -> Process:
        """Start the server and wait until it answers.

        An empty database is prepared first, with the rows of a first start (with detection off for
        the demo camera) unless `environment` changes the settings of those rows.
        """
        defaults = {"SIDELINE_DEMO": None, "SIDELINE_ADMIN_USERNAME": KEEPER["username"]}
        self.prepare(all(self.environment.get(name) == value for name, value in defaults.items()))
        return self.start(new)

    def start(self, new: bool = False) -> Process:
        """Start the server as the README says, and wait until it answers."""
        process = self.spawn("serve", "--prepare", new=new)
        until(self.answers, 60, "the server")
        return process

    def children(self, what: str) -> list[psutil.Process]:
        """Return descendants of its processes with `what` in the command line."""
        found = []
        for process in self.processes:
            with contextlib.suppress(psutil.Error):
                found += psutil.Process(process.pid).children(recursive=True)
        return [child for child in found if what in command_line(child)]

    def answers(self) -> bool:
        """True if the server answers. Raises `AssertionError` if it has ended."""
        if self.processes and self.processes[-1].poll() is not None:
            raise AssertionError(self.log.read_text())
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=20).status_code == 200
        return False

    def stop(self) -> None:
        """Terminate all processes; kill the group of a process that does not end."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes.clear()

    def api(self) -> httpx.Client:
        """Return a client with the administrator's bearer token."""
        if not self.token:
            answer = httpx.post(f"{self.url}/api/v1/auth/login", json=KEEPER)
            assert answer.status_code == 200, answer.text
            self.token = answer.json()["token"]
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def add_camera(self, **fields: object) -> str:
        """Add a camera over the API; return its id."""
        with self.api() as api:
            organization = api.get("/organizations").json()["results"][0]["id"]
            answer = api.post("/cameras", json={"organization": organization, **fields})
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

    def state(self, camera: str) -> str:
        """Return the camera's state from the API."""
        with self.api() as api:
            return str(api.get(f"/cameras/{camera}").json()["state"]["state"])

    def logged(self) -> str:
        """Return the output of all its processes."""
        return self.log.read_text()


def submit(client: httpx.Client, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
    """Post a form to the URL of its page, with the CSRF token and Origin, as a browser does."""
    token = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
    origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
    form = {"csrfmiddlewaretoken": token, **fields}
    return client.post(page.url, data=form, headers={"Origin": origin})


@contextlib.contextmanager
def installed(folder: Path, **environment: str) -> Iterator[Installation]:
    """Create an installation; stop its processes at the end."""
    installation = Installation(folder, **environment)
    try:
        yield installation
    finally:
        installation.stop()


def sibling(installation: Installation, **more: str) -> Installation:
    """Return an installation with the same data and settings, for processes beside its own.

    It has a port of its own; `more` overrides settings.
    """
    second = Installation(installation.folder)
    second.environment = installation.environment | {"SIDELINE_PORT": str(second.port), **more}
    second.token, second.log = installation.token, installation.log
    return second


@contextlib.contextmanager
def second_server(installation: Installation, **more: str) -> Iterator[Installation]:
    """Run another web process on the same database; `more` overrides settings."""
    second = sibling(installation, **more)
    try:
        second.spawn("serve")
        until(second.answers, 60, "the second server")
        yield second
    finally:
        second.stop()
