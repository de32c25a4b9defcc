"""The wall: all cameras on one page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from cameras.models import Camera, CameraState
from cameras.models.cameras import CameraQuerySet
from cameras.models.states import State
from cameras.stream_urls import stream_path
from project.accounts.views.shell import Shell


@dataclass(frozen=True, slots=True)
class CameraDisplay:
    """A camera as a page shows it before the first frame. Times are in unix ms; None if unknown."""

    camera: Camera
    state: CameraState
    stream: str
    since: int
    picture_at: int | None

    @classmethod
    def of(cls, camera: Camera) -> CameraDisplay:
        """Build it from a camera of `with_display_data()`."""
        state = camera.current_state()
        still_at: datetime | None = getattr(camera, "still_at", None)
        picture_at = _unix_ms(still_at) if still_at else None
        return cls(camera, state, stream_path(str(camera.pk)), _unix_ms(state.since), picture_at)

    @property
    def connecting(self) -> bool:
        """True if the page starts as “Connecting”: only the socket may report a camera as live."""
        return self.state.state in (State.LIVE, State.CONNECTING) or not self._reason_adds_detail()

    @property
    def note(self) -> str:
        """The reason of the state, or "" if it only repeats the badge."""
        return self.state.reason if self._reason_adds_detail() else ""

    def _reason_adds_detail(self) -> bool:
        return self.state.reason.rstrip(".… ") != State.CONNECTING.label


def _unix_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def with_display_data(cameras: CameraQuerySet) -> CameraQuerySet:
    """Load what a tile or a camera's page shows, without the bytes of the still picture."""
    return cameras.select_related("organization", "state").annotate(still_at=F("still__taken_at"))


@never_cache
@login_required
def wall(request: HttpRequest) -> HttpResponse:
    """Show the cameras of the current organization, or of all of the user's."""
    shell = Shell(request)
    cameras = with_display_data(Camera.objects.visible_to(shell.actor))
    if shell.current is not None:
        cameras = cameras.filter(organization=shell.current)
    organizations = [shell.current] if shell.current else shell.organizations
    context = {
        "tiles": [CameraDisplay.of(camera) for camera in cameras],
        "can_add": any(organization in shell.administered for organization in organizations),
        "shows_organizations": shell.current is None and len(shell.organizations) > 1,
    }
    return render(request, "cameras/wall.html", context)
