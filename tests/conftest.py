"""Fixtures: organizations and people as rows, and one real installation for the whole run."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cameras.ingest import interfaces
from tests.browser import chromium
from tests.installation import Installation, installed

HERE = Path(__file__).resolve().parent
# Whole folders that are about what is around the database.
ONE_DATABASE = ("cameras/ingest", "chats/providers", "e2e", "seed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those folders; single modules and tests mark themselves."""
    for item in items:
        if any(item.path.is_relative_to(HERE / folder) for folder in ONE_DATABASE):
            item.add_marker(pytest.mark.one_database)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation with the demo camera, shared by tests that do no harm to others."""
    with installed(tmp_path_factory.mktemp("house")) as installation:
        installation.serve()
        yield installation


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
    monkeypatch.setattr(interfaces, "own_addresses", lambda: ips)
