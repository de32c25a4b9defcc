"""Snapshots in a loop are few entries, and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cameras.models import Camera
from project.accounts.models import User
from project.audit import snapshots
from project.audit.askers import Requester
from project.audit.models import AuditEntry
from project.audit.snapshots import WINDOW_S, log_snapshot, write_counts

pytestmark = pytest.mark.django_db


class Time:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    made = Time()
    monkeypatch.setattr(snapshots, "time", made)
    snapshots._windows.clear()
    yield made
    snapshots._windows.clear()


def said() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("who", "detail"))


def test_a_loop_is_two_entries_in_ten_seconds(camera: Camera, viewer: User, clock: Time) -> None:
    requester = Requester(viewer, ("token", "x"), "192.0.2.1")
    for _ in range(660):
        log_snapshot(requester, camera)
        clock.now += WINDOW_S / 661
    assert said() == [("viewer", "")]
    write_counts()
    assert said() == [("viewer", "")], "the stretch is not over"
    clock.now += 1
    write_counts()
    assert said() == [("viewer", ""), ("viewer", "and 659 more within 10 seconds")]
    log_snapshot(requester, camera)
    assert said()[2:] == [("viewer", "")]


@pytest.mark.postgres
def test_the_next_stretch_and_the_end_of_the_process_write_the_count(
    camera: Camera, viewer: User, clock: Time
) -> None:
    requester = Requester(viewer, ("token", "x"), "192.0.2.1")
    for _ in range(3):
        log_snapshot(requester, camera)
    clock.now += WINDOW_S
    log_snapshot(requester, camera)
    log_snapshot(requester, camera)
    assert [detail for _, detail in said()] == ["", "and 2 more within 10 seconds", ""]
    write_counts(include_open=True)
    assert [detail for _, detail in said()][3:] == ["and 1 more within 10 seconds"]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.camera_id, entry.organization) == (camera.pk, camera.organization)
    write_counts(include_open=True)
    assert len(said()) == 4


def test_each_credential_and_address_has_its_own(camera: Camera, viewer: User) -> None:
    log_snapshot(Requester(viewer, ("token", "x"), "192.0.2.1"), camera)
    log_snapshot(Requester(viewer, ("token", "y"), "192.0.2.1"), camera)
    log_snapshot(Requester(viewer, ("token", "x"), "192.0.2.2"), camera)
    assert len(said()) == 3


def test_what_is_remembered_is_bounded_and_what_makes_room_is_written(
    camera: Camera, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_WINDOWS", 2)
    for proof in ("x", "x", "y", "z"):
        log_snapshot(Requester(viewer, ("token", proof), None), camera)
    assert len(snapshots._windows) == 2
    assert [detail for _, detail in said()] == ["", "", "", "and 1 more within 10 seconds"]
