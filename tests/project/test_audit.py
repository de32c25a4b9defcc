"""`make audit` passes only where somebody who knows has answered for every package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.audit import CANARY, Answer, Pin, pins, rounds, verdict

WANTED = [("anyio", "4.1"), ("numpy", "2.4"), ("numpy", "2.5")]
FLAW = {"id": "CVE-2026-1", "fix_versions": ["4.2"]}


class Service:
    """What pip-audit would say: `flaws` by package, nothing about those in `unknown`."""

    def __init__(self, flaws: dict[Pin, list[Any]], unknown: tuple[Pin, ...] = ()) -> None:
        self.flaws, self.unknown = flaws, unknown

    def __call__(self, some: list[Pin]) -> Answer:
        told = [
            {"name": name, "version": version, "vulns": self.flaws.get((name, version), [])}
            if (name, version) not in self.unknown
            else {"name": name, "skip_reason": "not found"}
            for name, version in some
        ]
        return told, ""


def test_it_works() -> None:
    status, said = verdict(WANTED, Service({CANARY: [FLAW]}))
    assert (status, said.split()[0]) == (0, "3")


def test_a_known_flaw_fails_it_and_is_named() -> None:
    status, said = verdict(WANTED, Service({CANARY: [FLAW], ("numpy", "2.5"): [FLAW]}))
    assert status == 1
    assert said == "numpy 2.5: CVE-2026-1, fixed in: 4.2"


def test_a_package_nobody_answers_for_fails_it() -> None:
    status, said = verdict(WANTED, Service({CANARY: [FLAW]}, unknown=(("anyio", "4.1"),)))
    assert (status, said) == (1, "anyio 4.1 could not be audited")


@pytest.mark.parametrize("service", [Service({}), lambda some: ([], "Connection refused")])
def test_who_knows_no_advisories_is_not_believed(service: Any) -> None:
    """An index that is a mirror of files, or no network at all."""
    status, said = verdict(WANTED, service)
    assert status == 2
    assert "No advisory service was reached" in said


def test_every_package_of_the_locks_is_asked_for() -> None:
    locks = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    found = pins(locks)
    lines = [line for lock in locks for line in lock.read_text().splitlines() if "==" in line]
    assert {name for name, _ in found} == {
        line.partition("==")[0].strip().lower() for line in lines
    }
    assert len([pin for pin in found if pin[0] == "numpy"]) == 2, "both, whatever Python runs this"


def test_two_versions_of_a_package_are_asked_for_apart(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "".join(f"{name}=={version} ; x \\\n    --hash=a\n" for name, version in WANTED)
    )
    assert pins([lock]) == WANTED
    assert rounds(WANTED) == [[WANTED[0], WANTED[1]], [WANTED[2]]]
