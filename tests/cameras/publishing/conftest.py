"""People of a club and a push camera, for all tests of `/ws/publish/`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.installation import Installation
from tests.people import Cast, assemble


@pytest.fixture(scope="package")
def cast(house: Installation) -> Cast:
    return assemble(house, "publish")


@pytest.fixture
def camera(house: Installation) -> Iterator[str]:
    """A push camera of one's own, since a timestamp is accepted once."""
    made = house.add_camera(name=f"Device {uuid.uuid4()}", kind="push")
    yield made
    with house.api() as api:
        api.delete(f"/cameras/{made}")
