"""Many snapshots make few log entries, and all are counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cameras.models import Camera
from project.accounts.models import User
from project.audit import snapshots
from project.audit.models import AuditEntry
from project.audit.requesters import Requester
from project.audit.snapshots import WINDOW_S, log_snapshot, write_counts

pytestmark = pytest.mark.django_db


class FakeTime:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTime]:
    fake = FakeTime()
    monkeypatch.setattr(snapshots, "time", fake)
    snapshots._windows.clear()
    yield fake
    snapshots._windows.clear()


def entries() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("who", "detail"))


def test_snapshot_loop_makes_two_entries_in_ten_seconds(
    camera: Camera, viewer: User, clock: FakeTime
) -> None:
    requester = Requester(viewer, ("token", "x"), "192.0.2.1")
    for _ in range(660):
        log_snapshot(requester, camera)
        clock.now += WINDOW_S / 661
    assert entries() == [("viewer", "")]
    write_counts()
    assert entries() == [("viewer", "")], "the window is not over"
    clock.now += 1
    write_counts()
    assert entries() == [("viewer", ""), ("viewer", "and 659 more within 10 seconds")]
    log_snapshot(requester, camera)
    assert entries()[2:] == [("viewer", "")]


@pytest.mark.postgres
def test_next_window_and_end_of_process_write_the_count(
    camera: Camera, viewer: User, clock: FakeTime
) -> None:
    requester = Requester(viewer, ("token", "x"), "192.0.2.1")
    for _ in range(3):
        log_snapshot(requester, camera)
    clock.now += WINDOW_S
    log_snapshot(requester, camera)
    log_snapshot(requester, camera)
    assert [detail for _, detail in entries()] == ["", "and 2 more within 10 seconds", ""]
    write_counts(include_open=True)
    assert [detail for _, detail in entries()][3:] == ["and 1 more within 10 seconds"]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.camera_id, entry.organization) == (camera.pk, camera.organization)
    write_counts(include_open=True)
    assert len(entries()) == 4


def test_each_credential_and_address_has_its_own_window(camera: Camera, viewer: User) -> None:
    log_snapshot(Requester(viewer, ("token", "x"), "192.0.2.1"), camera)
    log_snapshot(Requester(viewer, ("token", "y"), "192.0.2.1"), camera)
    log_snapshot(Requester(viewer, ("token", "x"), "192.0.2.2"), camera)
    assert len(entries()) == 3


def test_number_of_windows_is_bounded_and_dropped_ones_are_written(
    camera: Camera, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_WINDOWS", 2)
    for proof in ("x", "x", "y", "z"):
        log_snapshot(Requester(viewer, ("token", proof), None), camera)
    assert len(snapshots._windows) == 2
    assert [detail for _, detail in entries()] == ["", "", "", "and 1 more within 10 seconds"]
