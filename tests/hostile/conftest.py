"""One installation for all who attack by frames."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.hostile.attacked import SEND, Siege
from tests.installation import Installation
from tests.parcels import parcel
from tests.people import assemble
from tests.waiting import until


@pytest.fixture(scope="package")
def siege(installation: Installation) -> Iterator[Siege]:
    """People and a push camera of its own; both cameras have a reader."""
    cast = assemble(installation, "siege")
    bearer = cast["operator"].bearer

    def pushed() -> bool:
        sent = httpx.post(
            installation.url + SEND, json=parcel(cast.push), headers=bearer, timeout=60
        )
        assert sent.status_code == 202, sent.text
        return installation.state(cast.push) == "live"

    until(pushed, 60, "the push camera")
    until(lambda: installation.state(cast.plaza) == "live", 60, "the demo camera")
    yield Siege(installation, cast)
    with installation.api() as api:
        assert api.delete(f"/cameras/{cast.push}").status_code == 204
