"""Fixtures: a test database, and a real installation that the tests of a process share."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from playwright.sync_api import Browser
from xdist.scheduler import LoadScopeScheduling

from cameras.ingest.sources import networks
from tests.browser import chromium
from tests.installation import Installation, installed
from tests.meter import METER
from tests.prepared import tables
from tests.redis import RedisServer
from tests.waiting import until
from tests.with_postgres import copied

# Folders whose tests share something expensive: one process runs all of them.
TOGETHER = ("tests/e2e/chat", "tests/hostile", "tests/project/backups")
# What takes long begins first, or the other processes wait for it at the end.
FIRST = (*TOGETHER, "tests/suite", "tests/e2e", "tests/project", "tests/chats", "tests/gate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes long; files keep their order and stay whole."""

    def place(item: pytest.Item) -> int:
        found = [n for n, folder in enumerate(FIRST) if item.nodeid.startswith(folder + "/")]
        return found[0] if found else len(FIRST)

    items.sort(key=place)


class ByFile(LoadScopeScheduling):
    """Tests of a file stay in one process of xdist, and those of such a folder."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder + "/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """pytest-django's: the test database. Its tables are copied, where Django would migrate."""
    wanted: dict[str, Any] = connection.settings_dict["TEST"]
    with contextlib.ExitStack() as held, django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            wanted["NAME"] = f"file:suite-{os.getpid()}?mode=memory&cache=shared"
            made = sqlite3.connect(wanted["NAME"], uri=True)
            held.callback(made.close)
            with contextlib.closing(sqlite3.connect(tables())) as source:
                source.backup(made)
        else:
            wanted["NAME"] = f"suite_{uuid.uuid4().hex}"
            copied(os.environ["DATABASE_URL"], wanted["NAME"])
        before = setup_databases(0, interactive=False, keepdb=True)
        held.close()
    yield
    with django_db_blocker.unblock():
        teardown_databases(before, 0, keepdb=True)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation with the demo camera, shared by tests that do no harm to others."""
    with installed(tmp_path_factory.mktemp("installation")) as installation:
        METER.share(installation.serve().pid, "installation")
        with installation.api() as api:
            (plaza,) = api.get("/cameras").json()["results"]
        until(lambda: installation.state(plaza["id"]) == "live", 60, "the demo camera")
        yield installation


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests of a module, which may stop and start it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of a module, which has no asyncio test then."""
    with chromium() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder for an installation of one's own."""
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have two addresses beside loopback."""
    ips = frozenset(map(ipaddress.ip_address, ("127.0.0.1", "192.168.1.5", "fd12::5")))
    monkeypatch.setattr(networks, "own_addresses", lambda: ips)
