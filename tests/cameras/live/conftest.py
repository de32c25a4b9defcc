"""A hub whose source is controlled by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cameras.live.formats import PreparedFrame
from cameras.live.hub import Hub
from tests.cameras.live.sources import Camera


@pytest.fixture
async def camera() -> Camera:
    return Camera()


@pytest.fixture
async def hub(camera: Camera) -> AsyncIterator[Hub]:
    hub = Hub(camera, PreparedFrame)
    yield hub
    await hub.close()
