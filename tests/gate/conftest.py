"""Requests to the views of this process, with rows in the test database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gate.inprocess import InProcessClient, in_process_client


@pytest.fixture(scope="module")
def in_process(django_db_setup: None, django_db_blocker: Any) -> Iterator[InProcessClient]:
    """A client with the rows of a first start. Rows are rolled back at the end of the module."""
    with django_db_blocker.unblock(), in_process_client() as client:
        yield client
