"""One credential may open a bounded number of connections and views."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.core.cache import cache
from django.urls import reverse

from cameras.models import Camera, CameraStill
from project.accounts.credentials import Credential
from project.accounts.models import User
from project.accounts.throttling import windows
from project.audit import opening_limits, recent_views
from project.audit.log import Action
from project.audit.models import Viewing
from project.audit.opening_limits import Limit, TooManyOpenings
from project.audit.recent_views import RecentViews, claim_connection, log_picture
from project.audit.requesters import Requester
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


class FakeTime:
    now = 1_000_000 * 3600.0 + 15

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTime]:
    fake = FakeTime()
    monkeypatch.setattr(windows, "time", fake)
    monkeypatch.setattr(recent_views, "recent_views", RecentViews())
    cache.clear()
    yield fake
    cache.clear()


def limit(monkeypatch: pytest.MonkeyPatch, name: str, **most: int) -> None:
    found: Limit = getattr(opening_limits, name)
    monkeypatch.setattr(opening_limits, name, replace(found, **most))


def guest(visit: str = "v", address: str = "192.0.2.1") -> Requester:
    link = Credential("link", "1")
    return Requester(None, Credential("visit", visit), address, parents=(link,))


def test_walls_on_ten_screens_reconnect_at_once(camera: Camera, viewer: User) -> None:
    requester = Requester(viewer, Credential("session", "s"), "192.0.2.1")
    for _ in range(10 * 60):
        claim_connection(requester, camera, Action.WATCH)
    with pytest.raises(TooManyOpenings, match="600 connections a minute"):
        claim_connection(requester, camera, Action.WATCH)


def test_refused_credential_may_open_again_in_the_next_window(
    camera: Camera, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, "CONNECTIONS", most=1)
    claim_connection(guest(), camera, Action.WATCH)
    with pytest.raises(TooManyOpenings) as refusal:
        claim_connection(guest(), camera, Action.WATCH)
    assert 45 <= refusal.value.retry_after <= 46
    claim_connection(guest("another"), camera, Action.WATCH)
    clock.now += refusal.value.retry_after
    claim_connection(guest(), camera, Action.WATCH)


def test_visits_of_one_link_are_limited_together(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, "CONNECTIONS", most_shared=3)
    for visit in "abc":
        claim_connection(guest(visit), camera, Action.WATCH)
    with pytest.raises(TooManyOpenings):
        claim_connection(guest("d"), camera, Action.WATCH)


def test_stream_key_has_the_limit_of_a_shared_credential(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, "CONNECTIONS", most=1)
    key = Requester(None, Credential("key", "k"), "192.0.2.1")
    assert key.parents == ()
    for _ in range(5):
        claim_connection(key, camera, Action.WATCH)


def test_tickets_count_for_the_credential_that_asked_for_them(
    camera: Camera, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, "CONNECTIONS", most=2)
    token = Credential("token", "t")

    def ticket(text: str) -> Requester:
        return Requester(viewer, Credential("ticket", text), None, parents=(token,), one_use=True)

    claim_connection(ticket("a"), camera, Action.WATCH)
    claim_connection(Requester(viewer, token), camera, Action.WATCH)
    with pytest.raises(TooManyOpenings):
        claim_connection(ticket("b"), camera, Action.WATCH)


def test_guest_with_many_addresses_makes_a_bounded_number_of_rows(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, "VIEWS", most=5)
    refused = 0
    for host in range(20):
        try:
            log_picture(guest(address=f"192.0.2.{host}"), camera, Action.SNAPSHOT)
        except TooManyOpenings:
            refused += 1
    assert (Viewing.objects.count(), refused) == (5, 15)
    log_picture(guest(address="192.0.2.0"), camera, Action.SNAPSHOT)  # a view that is known


def test_pictures_of_a_known_view_are_not_limited(camera: Camera) -> None:
    for _ in range(2000):
        log_picture(guest(), camera, Action.SNAPSHOT)


def test_still_beyond_the_limit_is_answered_with_429(
    camera: Camera, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, "VIEWS", most=0)
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at="2026-03-01T10:00Z")
    answer = client_of(viewer).get(reverse("camera-still", args=[camera.pk]))
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert b"\xff\xd8" not in answer.content


def test_session_keys_are_not_in_the_cache(
    camera: Camera, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    monkeypatch.setattr(
        opening_limits, "count_in_window", lambda key, most, seconds: keys.append(key) or 0
    )
    claim_connection(Requester(viewer, Credential("session", "secret-key")), camera, Action.WATCH)
    assert len(keys) == 2
    assert not [key for key in keys if "secret-key" in key]


def test_nothing_is_limited_while_the_counters_cannot_be_reached(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise ConnectionError("no Redis")

    monkeypatch.setattr(opening_limits, "count_in_window", fail)
    claim_connection(guest(), camera, Action.WATCH)
