"""All faults, several times: what they cost stays within what is promised."""

from __future__ import annotations

import pytest

from tests.disks import NoSmallDisk
from tests.faults.faults import FAULTS
from tests.faults.run import run

ROUNDS = 4


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_faults_cost_no_more_than_promised() -> None:
    try:
        table, broken = run(FAULTS, ROUNDS)
    except NoSmallDisk as error:
        pytest.skip(str(error))
    print(table)
    assert not broken
