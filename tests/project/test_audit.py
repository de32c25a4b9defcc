"""`make audit` passes only if an advisory service has answered for every package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.audit import CANARY, Answer, Pin, batches, pins, verdict

WANTED = [("anyio", "4.1"), ("numpy", "2.4"), ("numpy", "2.5")]
FLAW = {"id": "CVE-2026-1", "fix_versions": ["4.2"]}


class Service:
    """Stands in for pip-audit: `flaws` by package, no answer for packages in `unknown`."""

    def __init__(self, flaws: dict[Pin, list[Any]], unknown: tuple[Pin, ...] = ()) -> None:
        self.flaws, self.unknown = flaws, unknown

    def __call__(self, some: list[Pin]) -> Answer:
        packages = [
            {"name": name, "version": version, "vulns": self.flaws.get((name, version), [])}
            if (name, version) not in self.unknown
            else {"name": name, "skip_reason": "not found"}
            for name, version in some
        ]
        return packages, ""


def test_it_works() -> None:
    status, output = verdict(WANTED, Service({CANARY: [FLAW]}))
    assert (status, output.split()[0]) == (0, "3")


def test_known_vulnerability_fails_and_is_named() -> None:
    status, output = verdict(WANTED, Service({CANARY: [FLAW], ("numpy", "2.5"): [FLAW]}))
    assert status == 1
    assert output == "numpy 2.5: CVE-2026-1, fixed in: 4.2"


def test_package_without_an_answer_fails() -> None:
    status, output = verdict(WANTED, Service({CANARY: [FLAW]}, unknown=(("anyio", "4.1"),)))
    assert (status, output) == (1, "anyio 4.1 could not be audited")


@pytest.mark.parametrize("service", [Service({}), lambda some: ([], "Connection refused")])
def test_service_without_advisories_is_not_trusted(service: Any) -> None:
    """An index that only mirrors files, or no network."""
    status, output = verdict(WANTED, service)
    assert status == 2
    assert "No advisory service was reached" in output


def test_every_package_of_the_locks_is_audited() -> None:
    locks = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    found = pins(locks)
    lines = [line for lock in locks for line in lock.read_text().splitlines() if "==" in line]
    assert {name for name, _ in found} == {
        line.partition("==")[0].strip().lower() for line in lines
    }
    assert len([pin for pin in found if pin[0] == "numpy"]) == 2, (
        "both, whatever the version of Python"
    )


def test_two_versions_of_a_package_are_audited_separately(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "".join(f"{name}=={version} ; x \\\n    --hash=a\n" for name, version in WANTED)
    )
    assert pins([lock]) == WANTED
    assert batches(WANTED) == [[WANTED[0], WANTED[1]], [WANTED[2]]]
