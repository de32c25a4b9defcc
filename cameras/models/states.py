"""What state cameras are in, and the last picture of each."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.apps import apps
from django.db import IntegrityError, models
from django.utils import timezone

if TYPE_CHECKING:
    from cameras.models.cameras import Camera

SWITCHED_OFF = "This camera is switched off."
# Without a word from ingest for this long, what it last said is no longer so.
SILENCE = timedelta(seconds=15)


class State(models.TextChoices):
    """How a camera is doing."""

    CONNECTING = "connecting", "Connecting"
    LIVE = "live", "Live"
    STALE = "stale", "Stale"
    OFFLINE = "offline", "Offline"
    ENDED = "ended", "Off"


class CameraState(models.Model):
    """The ingest's report on a camera: written on every change and every few seconds."""

    camera = models.OneToOneField(
        "Camera", on_delete=models.CASCADE, primary_key=True, related_name="state"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.CONNECTING)
    since = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=300, blank=True, default="")
    fps = models.FloatField(default=0)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    last_frame_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(default=timezone.now)
    # The newest lease's, see cameras/ingest/leases/embedded.py: reports of a lower one are refused.
    fence = models.BigIntegerField(default=0, db_default=0, editable=False)

    def __str__(self) -> str:
        return self.sentence()

    @staticmethod
    def claim_fence(camera_id: uuid.UUID | str) -> int | None:
        """A number above all that were claimed before, for exactly one caller: by one UPDATE.

        None where there is no such camera.
        """
        states = CameraState.objects.filter(camera_id=camera_id)
        while True:  # every failure is somebody else's success
            newest: int | None = states.values_list("fence", flat=True).first()
            if newest is None:
                cameras = apps.get_model("cameras", "Camera")  # which imports this module
                if not cameras.objects.filter(pk=camera_id).exists():
                    return None
                first = CameraState(camera_id=camera_id)
                try:
                    CameraState.objects.bulk_create([first], ignore_conflicts=True)
                except IntegrityError:  # deleted just now
                    return None
            elif states.filter(fence=newest).update(fence=newest + 1):
                return newest + 1

    @staticmethod
    def current(camera: Camera) -> CameraState:
        """What is known now: the ingest's last word, or that it is silent, or switched off."""
        reported = getattr(camera, "state", None)
        state = reported or CameraState(
            camera=camera, since=camera.created_at, reported_at=camera.created_at
        )
        if not camera.enabled:
            state.state, state.reason = State.ENDED, SWITCHED_OFF
        elif timezone.now() - state.reported_at > SILENCE:
            if state.state != State.OFFLINE:
                state.state, state.since = State.OFFLINE, state.last_frame_at or state.reported_at
            state.reason = state.reason or "No process is reading this camera."
        return state

    def sentence(self) -> str:
        """The state in a few words, with the time in the camera's zone."""
        since = timezone.localtime(self.since, self.camera.zone)
        today = timezone.localdate(timezone=self.camera.zone)
        at = since.strftime("%H:%M" if since.date() == today else "%-d %B, %H:%M")
        if self.state == State.OFFLINE:
            return f"Offline since {at}. {self.reason}".strip()
        if self.state == State.STALE:
            return f"Stale since {at}. {self.reason}".strip()
        return self.reason or str(self.get_state_display())


class CameraStill(models.Model):
    """The last picture of a camera, kept so that a dead one still shows something."""

    camera = models.OneToOneField(
        "Camera", on_delete=models.CASCADE, primary_key=True, related_name="still"
    )
    jpeg = models.BinaryField()
    taken_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.camera} at {self.taken_at:%H:%M:%S}"
