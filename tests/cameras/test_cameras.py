"""The camera model: validation, state, and the clock of pushed frames."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from cameras.ingest import configurations, state_writer
from cameras.models import Camera, CameraState, Kind, PushClock
from project.accounts.models import Organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club", time_zone="Europe/Berlin")


@pytest.fixture
def camera(club: Organization) -> Camera:
    return Camera.objects.create(organization=club, name="Gate", kind=Kind.DEMO)


def ago(**duration: float) -> Any:
    return timezone.now() - timedelta(**duration)


def test_live_camera_without_reports_is_offline_since_its_last_picture(
    camera: Camera,
) -> None:
    last_frame_at = ago(minutes=1)
    CameraState.objects.create(
        camera=camera,
        state="live",
        since=ago(hours=9),
        last_frame_at=last_frame_at,
        reported_at=last_frame_at,
    )
    state = Camera.objects.get(pk=camera.pk).current_state()
    assert (state.state, state.since) == ("offline", last_frame_at)
    assert state.reason == "Sideline is not reading this camera at the moment."


@pytest.mark.postgres
def test_camera_that_is_switched_on_or_taken_by_a_process_is_connecting(camera: Camera) -> None:
    """And not offline because its last report is from yesterday."""
    old = {"state": "offline", "reason": "Gone.", "since": ago(days=1), "reported_at": ago(days=1)}
    CameraState.objects.create(camera=camera, **old)

    def now() -> tuple[str, str]:
        state = Camera.objects.get(pk=camera.pk).current_state()
        return state.state, state.reason

    camera.enabled = False
    camera.save()
    assert now()[0] == "ended"
    camera.enabled = True
    camera.save()
    assert now() == ("connecting", "")
    camera.name = "West gate"
    CameraState.objects.update(**old)
    camera.save()
    assert now() == ("offline", "Gone.")
    Camera.claim_fence(camera.pk)
    assert now() == ("connecting", "")
    CameraState.objects.update(**old | {"reported_at": timezone.now()})
    Camera.claim_fence(camera.pk)
    assert now() == ("offline", "Gone."), "a process that takes over keeps what is known"


@pytest.mark.parametrize("hours", [-1, 1])
def test_report_by_a_clock_that_was_set_back_does_not_keep_a_camera_live(
    camera: Camera, hours: int
) -> None:
    CameraState.objects.create(camera=camera, state="live", reported_at=ago(hours=hours))
    assert Camera.objects.get(pk=camera.pk).current_state().state == "offline"


@pytest.mark.postgres
def test_report_is_stamped_by_the_databases_clock(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest host whose clock is an hour off writes it, and this host reads it."""
    (fence,) = configurations.claim_fences([str(camera.pk)]).values()
    wrong = ago(hours=1)
    with monkeypatch.context() as clock:
        clock.setattr(timezone, "now", lambda: wrong)
        state_writer.store_state(
            {
                "camera": str(camera.pk), "fence": fence, "state": "live", "since": 1000,
                "reason": "", "fps": 10.0, "width": 640, "height": 360, "last_frame": 2000,
            }
        )  # fmt: skip
    assert Camera.objects.get(pk=camera.pk).current_state().state == "live"


def test_camera_that_was_never_read_becomes_offline(camera: Camera) -> None:
    assert camera.current_state().state == "connecting"
    Camera.objects.filter(pk=camera.pk).update(created_at=ago(minutes=5))
    state = Camera.objects.get(pk=camera.pk).current_state()
    assert state.state == "offline"


def test_older_states_name_the_day(camera: Camera) -> None:
    old = CameraState(camera=camera, state="offline", since=ago(days=3), reason="Gone.")
    assert old.since.strftime("%B") in old.sentence()
    assert "," not in CameraState(camera=camera, state="offline", since=ago(seconds=0)).sentence()


@pytest.mark.postgres
def test_camera_with_a_missing_file_can_be_switched_off(
    club: Organization, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_DIR = tmp_path
    clip = tmp_path / str(club.pk) / "clip.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"x")
    camera = Camera(organization=club, name="Clip", kind=Kind.FILE)
    camera.source = "clip.mp4"
    camera.full_clean()
    camera.save()
    clip.unlink()
    camera.enabled = False
    camera.full_clean()
    camera.source = "other.mp4"
    with pytest.raises(ValidationError, match="source"):
        camera.full_clean()


def test_camera_keeps_its_organization(camera: Camera) -> None:
    camera.organization = Organization.objects.create(name="Other", slug="other")
    with pytest.raises(ValidationError, match="keeps its organization"):
        camera.full_clean()


@pytest.mark.postgres
def test_duplicate_camera_name_is_refused_with_a_sentence(camera: Camera) -> None:
    twin = Camera(organization=camera.organization, name=camera.name, kind=Kind.DEMO)
    with pytest.raises(ValidationError, match="A camera of this name exists already"):
        twin.full_clean()


@pytest.mark.parametrize(
    "metadata",
    [[], "x", {"serverHostURL": "http://a.example"}, {"serverHostURL": "a.example:80"},
     {"serverHostURL": "a b"}, {"serverHostURL": 7}, {"serverHostURL": "a/b"}],
)  # fmt: skip
def test_server_host_must_be_a_bare_host(club: Organization, metadata: Any) -> None:
    club.metadata = metadata
    with pytest.raises(ValidationError):
        club.full_clean()
    club.metadata = {"serverHostURL": "cameras.example.org"}
    club.full_clean()


@pytest.mark.postgres
def test_push_clock_accepts_only_newer_times_and_can_release_one(camera: Camera) -> None:
    answers = [PushClock.accept(camera.pk, at) for at in (5, 5, 4, 6)]
    assert answers == [True, False, False, True]
    PushClock.release(camera.pk, 6)
    assert PushClock.accept(camera.pk, 6)
    assert not PushClock.has_accepted(camera.pk, 7)


@pytest.mark.postgres
def test_push_clock_follows_a_server_whose_clock_was_set_back(camera: Camera) -> None:
    """Times over 60 s from the server's clock are refused, so these were an hour ahead."""
    hour = 3_600_000
    assert PushClock.accept(camera.pk, 2 * hour)
    assert PushClock.has_accepted(camera.pk, 2 * hour - 60_000)
    assert not PushClock.accept(camera.pk, 2 * hour - 60_000), "two devices, or a late one"
    assert not PushClock.has_accepted(camera.pk, hour)
    assert [PushClock.accept(camera.pk, hour) for _ in range(2)] == [True, False]
