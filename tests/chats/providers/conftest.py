"""A scripted endpoint for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endpoint import Model, endpoint


@pytest.fixture
def model() -> Iterator[Model]:
    """One endpoint a test."""
    with endpoint() as model:
        yield model
