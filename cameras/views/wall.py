"""The wall: every camera at a glance."""

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
class Seen:
    """A camera as a page shows it before its first frame. Times are unix ms, or None."""

    camera: Camera
    state: CameraState
    stream: str
    since: int
    picture_at: int | None

    @classmethod
    def of(cls, camera: Camera) -> Seen:
        """`camera` comes out of `shown()`."""
        state = camera.current_state()
        taken: datetime | None = getattr(camera, "still_at", None)
        at = _unix_ms(taken) if taken else None
        return cls(camera, state, stream_path(str(camera.pk)), _unix_ms(state.since), at)

    @property
    def connecting(self) -> bool:
        """A page never begins as live; the socket has the word, moments later."""
        return self.state.state in (State.LIVE, State.CONNECTING) or not self._says_more()

    @property
    def note(self) -> str:
        """The reason, where it is more than the badge says."""
        return self.state.reason if self._says_more() else ""

    def _says_more(self) -> bool:
        return self.state.reason.rstrip(".… ") != State.CONNECTING.label


def _unix_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def shown(cameras: CameraQuerySet) -> CameraQuerySet:
    """With all that a tile or a camera's page says, but not the still's bytes."""
    return cameras.select_related("organization", "state").annotate(still_at=F("still__taken_at"))


@never_cache
@login_required
def wall(request: HttpRequest) -> HttpResponse:
    """Cameras of the organization in front, or of all."""
    frame = Shell(request)
    cameras = shown(Camera.objects.visible_to(frame.actor))
    if frame.current is not None:
        cameras = cameras.filter(organization=frame.current)
    here = [frame.current] if frame.current else frame.organizations
    context = {
        "tiles": [Seen.of(camera) for camera in cameras],
        "can_add": any(one in frame.administered for one in here),
        "many": frame.current is None and len(frame.organizations) > 1,
    }
    return render(request, "cameras/wall.html", context)
