"""Cameras that a test adds to the shared installation, and the processes that read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

from tests.installation import Installation
from tests.waiting import until


@contextlib.contextmanager
def added(house: Installation, **facts: object) -> Iterator[str]:
    """A camera, until the end of the test, if that has not deleted it."""
    camera = house.add_camera(**facts)
    try:
        yield camera
    finally:
        with house.api() as api:
            assert api.delete(f"/cameras/{camera}").status_code in (204, 404)


def workers(house: Installation) -> dict[int, psutil.Process]:
    """Processes that read a camera, by pid."""
    return {child.pid: child for child in house.children("cameras.ingest.worker")}


def settled(house: Installation) -> dict[int, psutil.Process]:
    """The same, once each camera that is switched on has one."""

    def all_there() -> dict[int, psutil.Process]:
        found = workers(house)
        return found if len(found) == wanted else {}

    with house.api() as api:
        wanted, page = 0, "/cameras"
        while page:
            told = api.get(page).json()
            wanted += sum(one["enabled"] for one in told["results"])
            page = told.get("next") or ""
    return until(all_there, 60, f"{wanted} workers")
