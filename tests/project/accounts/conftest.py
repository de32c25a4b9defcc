"""The users of the page tests, and a clock for codes."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from tests.cameras.views.conftest import (
    _fast_password_hasher,  # noqa: F401
    _plain_static_names,  # noqa: F401
    admin,  # noqa: F401
    club,  # noqa: F401
    outsider,  # noqa: F401
    viewer,  # noqa: F401
)
from tests.project.accounts.codes import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of pyotp by one that stands still until the test advances it."""
    clock = Clock(time.time())
    monkeypatch.setattr("pyotp.totp.time", SimpleNamespace(time=lambda: clock.now))
    return clock
