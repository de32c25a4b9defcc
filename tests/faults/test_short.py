"""The most telling faults, once each: everybody is served again and told what is promised."""

from __future__ import annotations

import pytest

from tests.disks import NoSmallDisk
from tests.faults.faults import FAULTS
from tests.faults.run import run

PATIENCE_S = 30.0  # beyond what is promised: only a fault of the product takes so long


@pytest.mark.extended
@pytest.mark.timeout(900)
def test_installation_survives_faults_of_its_parts() -> None:
    try:
        table, broken = run([fault for fault in FAULTS if fault.is_telling], 1, PATIENCE_S)
    except NoSmallDisk as error:
        pytest.skip(str(error))
    print(table)
    assert not broken
