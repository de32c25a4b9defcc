"""Cameras that a test adds to the shared installation, and the processes that read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.installation import Installation


@contextlib.contextmanager
def added(installation: Installation, **facts: object) -> Iterator[str]:
    """A camera, until the end of the test, if that has not deleted it."""
    camera = installation.add_camera(**facts)
    try:
        yield camera
    finally:
        with installation.api() as api:
            assert api.delete(f"/cameras/{camera}").status_code in (204, 404)


def worker(installation: Installation, camera: str) -> int | None:
    """The process that reads this camera; None where there is none."""
    found = installation.children(f"cameras.ingest.worker.main {camera}")
    return found[0].pid if found else None
