"""Leases without a database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from cameras.ingest import configurations
from cameras.ingest.leases import shared
from tests.redis import RedisServer


@pytest.fixture
def fences(
    redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[itertools.count[int]]:
    """Fences from a counter, in the place of the database."""
    settings.REDIS_URL = redis.url + "?db=1"
    numbers = itertools.count(1)
    claimed = lambda cameras: dict.fromkeys(cameras, next(numbers))  # noqa: E731
    monkeypatch.setattr(configurations, "claim_fences", claimed)
    # There is no supervisor here that says again and again what is wanted.
    monkeypatch.setattr(shared, "CAMERAS_TTL_S", 600)
    return numbers
