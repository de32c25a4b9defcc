"""Users and a push camera for the tests of `/ws/publish/`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.waiting import until


@pytest.fixture(scope="session")  # a package's would end early when xdist mixes modules
def scenario(installation: Installation) -> Scenario:
    made = create_scenario(installation, "publish")
    until(lambda: installation.state(made.plaza) == "live", 60, "a running ingest process")
    return made


@pytest.fixture
def camera(installation: Installation) -> Iterator[str]:
    """A push camera of the test's own, since a timestamp is accepted once."""
    with temporary_camera(installation, name=f"Device {uuid.uuid4()}", kind="push") as made:
        yield made
