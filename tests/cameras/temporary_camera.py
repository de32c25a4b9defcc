"""Temporary cameras in the shared installation, and their worker processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.installation import Installation


@contextlib.contextmanager
def temporary_camera(installation: Installation, **facts: object) -> Iterator[str]:
    """Add a camera and delete it at the end, unless the test did."""
    camera = installation.add_camera(**facts)
    try:
        yield camera
    finally:
        with installation.api() as api:
            assert api.delete(f"/cameras/{camera}").status_code in (204, 404)


def worker(installation: Installation, camera: str) -> int | None:
    """Return the id of the camera's worker process; None without one."""
    found = installation.children(f"cameras.ingest.worker.main {camera}")
    return found[0].pid if found else None
