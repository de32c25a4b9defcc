"""The installation that the tests of this package attack."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.hostile.attacked import SEND, AttackedServer
from tests.installation import Installation
from tests.people import create_scenario
from tests.push_messages import send_body
from tests.waiting import until


@pytest.fixture(scope="package")
def target(installation: Installation) -> Iterator[AttackedServer]:
    """Its own users and push camera; both cameras have a worker."""
    scenario = create_scenario(installation, "attacked")
    bearer = scenario["operator"].bearer

    def is_push_camera_live() -> bool:
        sent = httpx.post(
            installation.url + SEND, json=send_body(scenario.push), headers=bearer, timeout=60
        )
        assert sent.status_code == 202, sent.text
        return installation.state(scenario.push) == "live"

    until(is_push_camera_live, 60, "the push camera")
    until(lambda: installation.state(scenario.plaza) == "live", 60, "the demo camera")
    yield AttackedServer(installation, scenario)
    with installation.api() as api:
        assert api.delete(f"/cameras/{scenario.push}").status_code == 204
