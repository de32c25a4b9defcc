"""One installation for all who attack by frames."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.siege import Siege
from tests.installation import installed
from tests.people import assemble
from tests.waiting import until


@pytest.fixture(scope="session")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """An installation of its own; the demo camera is live and the push camera has a reader."""
    with installed(tmp_path_factory.mktemp("siege")) as house:
        house.serve()
        cast = assemble(house, "siege")
        until(lambda: house.state(cast.plaza) == "live", 20, "the demo camera")
        until(lambda: len(house.children("cameras.ingest.worker")) >= 2, 20, "both readers")
        yield Siege(house, cast)
