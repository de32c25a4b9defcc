"""Views of this process, and the rows they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gate.inprocess import InProcess, in_process


@pytest.fixture(scope="module")
def here(django_db_setup: None, django_db_blocker: Any) -> Iterator[InProcess]:
    """The views, with the rows of a first start. What a module adds is taken back at its end."""
    with django_db_blocker.unblock(), in_process() as made:
        yield made
