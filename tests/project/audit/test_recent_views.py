"""Pictures of a view that is stored cost no query, and none is sent before its view is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from django.urls import reverse

from cameras.models import Camera, CameraStill
from project.accounts.credentials import Credential
from project.accounts.models import User
from project.audit import recent_views as module
from project.audit.log import Action
from project.audit.models import Viewing
from project.audit.open_views import PAUSE, View
from project.audit.recent_views import FRESH_S, HEARTBEAT_S, RecentViews, log_picture
from project.audit.requesters import Requester
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


class FakeTime:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(module, "time", fake)
    return fake


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecentViews]:
    """The views of a process that has just started."""
    fresh = RecentViews()
    monkeypatch.setattr(module, "recent_views", fresh)
    return fresh


def requester(user: User | None = None, key: str = "x") -> Requester:
    return Requester(user, Credential("token", key), "192.0.2.1")


def rows() -> list[tuple[str, str, int]]:
    return list(Viewing.objects.values_list("who", "action", "openings"))


@pytest.mark.postgres
def test_many_stills_are_one_view(
    camera: Camera, viewer: User, operator: User, views: RecentViews
) -> None:
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at="2026-03-01T10:00Z")
    address, client = reverse("camera-still", args=[camera.pk]), client_of(viewer)
    for _ in range(5):
        assert client.get(address).status_code == 200
    client_of(operator).get(address)
    views.renew()
    assert sorted(rows()) == [("operator", "see stills", 1), ("viewer", "see stills", 5)]


def test_snapshot_loop_is_one_view_with_a_query_each_heartbeat(
    camera: Camera,
    viewer: User,
    views: RecentViews,
    clock: FakeTime,
    django_assert_num_queries: Any,
) -> None:
    log_picture(requester(viewer), camera, Action.SNAPSHOT)
    assert rows() == [("viewer", "take snapshot", 1)], "stored before the first is sent"
    for _ in range(6):
        with django_assert_num_queries(0):
            for _ in range(100):
                log_picture(requester(viewer), camera, Action.SNAPSHOT)
                clock.now += HEARTBEAT_S / 100
        views.renew()
    assert rows() == [("viewer", "take snapshot", 601)]


def test_picture_is_refused_if_its_view_cannot_be_stored(
    camera: Camera, views: RecentViews, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise DatabaseError("no space left")

    store = module.store
    monkeypatch.setattr(module, "store", fail)
    with pytest.raises(DatabaseError):
        log_picture(requester(), camera, Action.SNAPSHOT)
    monkeypatch.setattr(module, "store", store)
    views.renew()
    assert rows() == [], "nobody saw anything"
    log_picture(requester(), camera, Action.SNAPSHOT)
    monkeypatch.setattr(module, "store", fail)
    log_picture(requester(), camera, Action.SNAPSHOT)  # its view is stored
    with pytest.raises(DatabaseError):
        views.renew()
    clock.now += FRESH_S
    with pytest.raises(DatabaseError):
        log_picture(requester(), camera, Action.SNAPSHOT)
    monkeypatch.setattr(module, "store", store)
    views.renew()
    assert [openings for _, _, openings in rows()] == [2], "what was shown is counted"


def test_views_without_openings_are_forgotten_after_the_pause(
    camera: Camera, views: RecentViews, clock: FakeTime
) -> None:
    view = View.of(requester(), camera, Action.WATCH)
    views.open(view, lasting=True)
    log_picture(requester(key="y"), camera, Action.SNAPSHOT)
    clock.now += PAUSE.total_seconds() + 1
    views.renew()
    assert len(views) == 1, "the open one"
    views.close(view)
    views.renew()
    assert view in views, "it ended just now: the next opening joins"
    clock.now += PAUSE.total_seconds() + 1
    views.renew()
    assert len(views) == 0


def test_number_of_views_without_openings_is_bounded(
    camera: Camera, views: RecentViews, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_IDLE", 2)
    for key in "abcd":
        log_picture(requester(key=key), camera, Action.SNAPSHOT)
        clock.now += 1
    views.renew()
    views.renew()
    known = [View.of(requester(key=key), camera, Action.SNAPSHOT) in views for key in "abcd"]
    assert known == [False, False, True, True], "the oldest are forgotten first"
    assert len(rows()) == 4
