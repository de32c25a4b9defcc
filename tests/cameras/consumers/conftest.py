"""People of a club and a push camera, for all tests of `/ws/publish/`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.cameras.added import added
from tests.installation import Installation
from tests.people import Cast, assemble
from tests.waiting import until


@pytest.fixture(scope="session")  # of a package it would end when xdist mixes modules
def cast(installation: Installation) -> Cast:
    made = assemble(installation, "publish")
    until(lambda: installation.state(made.plaza) == "live", 60, "a process that reads cameras")
    return made


@pytest.fixture
def camera(installation: Installation) -> Iterator[str]:
    """A push camera of one's own, since a timestamp is accepted once."""
    with added(installation, name=f"Device {uuid.uuid4()}", kind="push") as made:
        yield made
