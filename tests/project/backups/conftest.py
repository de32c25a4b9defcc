"""Fixtures: a backup under load and its restore, a backup at rest, and a small one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from project.backups import archive
from tests.chats.talking import chat_installation
from tests.endpoint import endpoint
from tests.installation import Installation, installed
from tests.project.backups.holdings import FILM, SOURCE, Quiet, backup, quiet_rows, rows
from tests.project.backups.load import Taken, fill, under_load
from tests.waiting import until


@pytest.fixture(scope="package")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """A backup of an installation under load, which is stopped afterwards."""
    folder = tmp_path_factory.mktemp("busy") / "data"
    folder.mkdir()
    with endpoint() as model, chat_installation(folder, model) as installation:
        (folder / "media" / "games").mkdir()
        (folder / "media" / "games" / "final.mp4").write_bytes(FILM)
        fill(installation)
        plaza = installation.add_camera(name="Plaza", kind="demo", detect=False)
        gate = installation.add_camera(name="Gate", kind="rtsp", source=SOURCE)
        device = installation.add_camera(name="Device", kind="push")
        until(lambda: installation.state(plaza) == "live", 60, "the demo camera")
        yield under_load(installation, model, plaza, gate, device)


@pytest.fixture(scope="package")
def restored(taken: Taken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """That backup restored into an empty folder. A test that serves it must stop it."""
    folder = tmp_path_factory.mktemp("restored")
    with installed(folder, SIDELINE_DEMO="0") as installation:
        installation.manage("restore", str(taken.file))
        yield installation


@pytest.fixture(scope="package")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """An installation with rows of several kinds, without writers, backed up with keys."""
    folder = tmp_path_factory.mktemp("quiet") / "data"
    (folder / "media" / "games").mkdir(parents=True)
    (folder / "media" / "games" / "final.mp4").write_bytes(FILM)
    with installed(folder) as installation:
        gate, chat = quiet_rows(installation)
        file = backup(installation, "quiet.tar", "--with-keys")
        yield Quiet(installation, file, rows(installation), gate, chat)


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minimal backup in a valid format."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "final.mp4").write_bytes(FILM)
    described = archive.Description("2026-11-25T16:00:00+00:00", connection.vendor, True, [])
    with archive.writing(folder / "small.tar", described) as writer:
        writer.add("database", folder / "final.mp4")
        writer.add("data/media/final.mp4", folder / "final.mp4")
    return folder / "small.tar"
