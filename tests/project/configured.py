"""Evaluates the settings with environment variables of a test's choice."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.prepared import is_setting


def settings_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **values: str) -> dict[str, Any]:
    """Return the settings module's globals, in an environment with only these variables."""
    for name in filter(is_setting, [*os.environ]):
        monkeypatch.delenv(name)
    for name, value in {"SIDELINE_DATA_DIR": str(folder), **values}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "project" / "settings" / "__init__.py"))
