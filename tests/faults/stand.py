"""A whole installation: two web servers, two ingest processes, PostgreSQL and Redis."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import psutil

from tests.cameras.shared_ingest import CLIP, lease_holders
from tests.chats.talking import create_club
from tests.disks import small_disk
from tests.endpoint import endpoint
from tests.installation import Installation, installed, sibling
from tests.prepared import KEEPER
from tests.redis import RedisServer
from tests.servers import rtsp_server
from tests.waiting import until
from tests.with_postgres import Cluster

DATABASE_MIB, DATA_MIB = 192, 24
_SESSION = """
from project.accounts.models import User
from tests.cookies import create_session
print("SESSION", create_session(User.objects.get(username="{username}")))
"""


class Stand:
    """Owns all processes. Each of `webs` and `ingests` has one process, `processes[0]`.

    `cameras`: ids by name. Two play files, one is an RTSP server, one a device that pushes. The
    database and the data folder are on small disks of their own. Raises `NoSmallDisk`.
    """

    def __init__(self) -> None:
        self._owned = contextlib.ExitStack()

    def __enter__(self) -> Stand:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
            folder.chmod(0o755)  # PostgreSQL has a user of its own
            self.database_disk = stack.enter_context(small_disk(folder / "db", DATABASE_MIB))
            self.data_disk = stack.enter_context(small_disk(folder / "disk", DATA_MIB))
            self.cluster = stack.enter_context(Cluster(self.database_disk, durable=True))
            self.redis = stack.enter_context(RedisServer(folder))
            self.model = stack.enter_context(endpoint())
            rtsp = stack.enter_context(rtsp_server())
            data = self.data_disk / "data"
            data.mkdir()
            first = stack.enter_context(
                installed(
                    data, SIDELINE_DEMO="0", REDIS_URL=self.redis.url,
                    SIDELINE_MODEL_SERVERS=self.model.address,
                )
            )  # fmt: skip
            first.environment["DATABASE_URL"] = self.cluster.url
            first.log = folder / "log.txt"
            first.start()
            create_club(first, self.model)
            self.cameras = add_cameras(first, rtsp.url)
            script = _SESSION.format(**KEEPER)
            self.session = first.manage("shell", "-v0", "-c", script).split()[-1]
            self.webs = (first, sibling(first))
            self.ingests = (sibling(first), sibling(first))
            for each in (self.webs[1], *self.ingests):
                stack.callback(each.stop)
            self.webs[1].start()
            for each in self.ingests:
                each.spawn("ingest")
            until(self.is_balanced, 60, "two cameras for each ingest process")
            self._owned = stack.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._owned.close()

    @property
    def headers(self) -> dict[str, str]:
        """The credential of all observers."""
        return {"Authorization": f"Bearer {self.webs[0].token}"}

    def start(self, part: Installation) -> None:
        """Start a web or ingest process again once it has ended, as its service manager would.

        A new interpreter, not a fork of a prepared one: how long it takes is part of the gap.
        """
        part.processes[0].wait(30)
        part.processes.clear()
        if part in self.webs:
            part.start(new=True)
        else:
            part.spawn("ingest", new=True)

    def holders(self) -> dict[str, int]:
        """The pid of the ingest process that leases each camera; without those nobody has."""
        found = zip(self.cameras, lease_holders(self.redis, self.cameras.values()), strict=True)
        return {name: int(holder.split(b":")[1]) for name, holder in found if holder}

    def cameras_of(self, ingest: Installation) -> frozenset[str]:
        """The names of the cameras that an ingest process leases."""
        pid = ingest.processes[0].pid
        return frozenset(name for name, holder in self.holders().items() if holder == pid)

    def is_balanced(self) -> bool:
        """True if each ingest process leases its share of the cameras."""
        shares = Counter(self.holders().values())
        share = len(self.cameras) // len(self.ingests)
        return shares == {each.processes[0].pid: share for each in self.ingests}

    def worker(self, name: str) -> psutil.Process:
        """The process that plays the file of this name."""
        for ingest in self.ingests:
            for process in ingest.children("cameras.ingest.worker.main"):
                with contextlib.suppress(psutil.Error):
                    if any(Path(file.path).name == name for file in process.open_files()):
                        return process
        raise AssertionError(f"nobody reads {name}")


FILES = ("north.mp4", "south.mp4")
PUSHED = "pushed"


def add_cameras(installation: Installation, rtsp: str) -> dict[str, str]:
    """Add two files, an RTSP camera and a device; return their ids by name."""
    with installation.api() as api:
        organization = api.get("/organizations").json()["results"][0]["id"]
    media = installation.folder / "media" / organization
    media.mkdir(parents=True)
    seen = {"detect": False, "width": 320}
    cameras = {}
    for name in FILES:
        shutil.copy(CLIP, media / name)
        cameras[name] = installation.add_camera(name=name, kind="file", source=name, **seen)
    cameras["rtsp"] = installation.add_camera(name="rtsp", kind="rtsp", source=rtsp, **seen)
    cameras[PUSHED] = installation.add_camera(name=PUSHED, kind="push", **seen)
    return cameras
