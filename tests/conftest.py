"""Fixtures of the whole suite, and the distribution of tests to worker processes."""

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
from asgiref.sync import SyncToAsync
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import setup_databases, teardown_databases
from playwright.sync_api import Browser
from xdist.scheduler import LoadScopeScheduling

from cameras.ingest.sources import address_rules
from project import tasks
from tests.browser import chromium
from tests.installation import Installation, installed
from tests.meter import METER
from tests.prepared import tables
from tests.redis import RedisServer
from tests.waiting import until
from tests.with_postgres import copy_database

# Folders whose tests share expensive fixtures: one worker runs all tests of such a folder.
ONE_WORKER = ("tests/e2e/chat", "tests/hostile", "tests/project/backups")
# Slow folders run first; otherwise the other workers wait for them at the end.
FIRST = (
    "tests/faults", *ONE_WORKER,
    "tests/suite", "tests/e2e", "tests/project", "tests/chats", "tests/gate",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort tests of slow folders first. The order of files and tests is otherwise kept."""

    def rank(item: pytest.Item) -> int:
        matches = [n for n, folder in enumerate(FIRST) if item.nodeid.startswith(folder + "/")]
        return matches[0] if matches else len(FIRST)

    items.sort(key=rank)


class ByFile(LoadScopeScheduling):
    """Assigns files to workers of xdist; a folder of `ONE_WORKER` counts as one file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in ONE_WORKER if file.startswith(folder + "/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Replaces pytest-django's fixture: copies prepared tables instead of migrating."""
    test_settings: dict[str, Any] = connection.settings_dict["TEST"]
    with contextlib.ExitStack() as stack, django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            test_settings["NAME"] = f"file:suite-{os.getpid()}?mode=memory&cache=shared"
            memory = sqlite3.connect(test_settings["NAME"], uri=True)
            stack.callback(memory.close)
            with contextlib.closing(sqlite3.connect(tables())) as source:
                source.backup(memory)
        else:
            test_settings["NAME"] = f"suite_{uuid.uuid4().hex}"
            copy_database(os.environ["DATABASE_URL"], test_settings["NAME"])
        before = setup_databases(0, interactive=False, keepdb=True)
        stack.close()
    yield
    with django_db_blocker.unblock():
        teardown_databases(before, 0, keepdb=True)


def _close_connection() -> None:
    # Not `connection.close()`, which leaves a SQLite database in memory open.
    BaseDatabaseWrapper.close(connections["default"])


@pytest.fixture(autouse=True)
def _sentences_are_logged_again() -> None:
    """Forget what earlier tests have logged: the same sentence is logged once in a while."""
    tasks._logged_at.clear()


@pytest.fixture(autouse=True)
def _asynchronous_connection_is_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what `database_sync_to_async` opened in its thread.

    Otherwise a later test without a database fails in it: Channels looks at an open connection
    before every call, and pytest-django forbids that.
    """
    yield
    if request.node.get_closest_marker("django_db") or "db" in request.fixturenames:
        SyncToAsync.single_thread_executor.submit(_close_connection).result(10)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation with the demo camera, shared by all tests that do not disturb it."""
    with installed(tmp_path_factory.mktemp("installation")) as installation:
        METER.share(installation.serve().pid, "installation")
        with installation.api() as api:
            (plaza,) = api.get("/cameras").json()["results"]
        until(lambda: installation.state(plaza["id"]) == "live", 60, "the demo camera")
        yield installation


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server for the tests of a module, which may stop and start it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of a module. Such a module cannot have asyncio tests."""
    with chromium() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty data folder for a separate installation."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that this machine has two addresses besides loopback."""
    ips = frozenset(map(ipaddress.ip_address, ("127.0.0.1", "192.168.1.5", "fd12::5")))
    monkeypatch.setattr(address_rules, "own_addresses", lambda: ips)
