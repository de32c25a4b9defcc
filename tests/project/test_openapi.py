"""The operations in `project/openapi.yaml`, which drf-spectacular does not check."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import resolve

import project
from cameras.live.variants import RATES, WIDTHS

WRITTEN: dict[str, Any] = yaml.safe_load(Path(project.__path__[0], "openapi.yaml").read_text())


@pytest.mark.parametrize("path", WRITTEN["paths"])
def test_written_operation_is_served_at_its_path(path: str) -> None:
    assert resolve(path.format(id=uuid.uuid4(), message=uuid.uuid4())).url_name.startswith("api-")


def test_pictures_are_described_with_all_widths_and_rates() -> None:
    operation = WRITTEN["paths"]["/api/v1/cameras/{id}/stream.mjpeg"]["get"]
    allowed = {one["name"]: one["schema"].get("enum") for one in operation["parameters"]}
    assert allowed == {"id": None, "width": list(WIDTHS), "fps": list(RATES)}
